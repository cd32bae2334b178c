# The command `moderation` without a detector: to upgrade the database, submit, look, decide, and
# serve the page and the HTTP API.
#
#     docker build -f docker/core.Dockerfile -t moderation-core .
#     docker run --rm --env-file settings.env moderation-core db upgrade
ARG PYTHON=3.11.14-slim-trixie

FROM python:${PYTHON} AS build
ENV TOOLS=/opt/tools \
    VIRTUAL_ENV=/opt/moderation \
    PATH=/opt/tools/bin:$PATH \
    UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_PYTHON_DOWNLOADS=never
WORKDIR /source
COPY requirements.lock ./
# Tools from the lock as well, by their digests; they stay behind in this stage.
RUN python -m venv "$TOOLS" \
    && awk '/^[^ ]/ { ours = /^uv==/ } ours' requirements.lock > uv.txt \
    && awk '/^[^ ]/ { ours = /^hatchling==/ } ours' requirements.lock > hatchling.txt \
    && pip install --quiet --no-cache-dir --require-hashes -r uv.txt \
    && uv pip install --python "$TOOLS" --require-hashes -c requirements.lock -r hatchling.txt
COPY pyproject.toml README.md LICENSE ./
COPY docker/wheels.sh docker/
COPY moderation moderation/
RUN --mount=type=cache,target=/root/.cache/uv \
    docker/wheels.sh '.[s3,postgresql,web]' > wheels.txt \
    && uv venv --quiet "$VIRTUAL_ENV" \
    && uv pip install --no-config --require-hashes -c requirements.lock -r wheels.txt

FROM python:${PYTHON}
RUN useradd --uid 10001 --create-home --home-dir /var/lib/moderation moderation
COPY --from=build /opt/moderation /opt/moderation
ENV PATH=/opt/moderation/bin:$PATH \
    MODERATION_HOME=/var/lib/moderation
VOLUME /var/lib/moderation
# Where moderation.toml is looked for.
WORKDIR /etc/moderation
USER 10001:10001
ENTRYPOINT ["moderation"]
CMD ["--help"]
