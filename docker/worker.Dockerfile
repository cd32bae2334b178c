# A worker with the plugins that PLUGINS names (folders of plugins/, with extras in brackets).
#
#     docker build -f docker/worker.Dockerfile -t moderation-worker .
#     docker build -f docker/worker.Dockerfile -t moderation-worker:cuda \
#         --build-arg PLUGINS="objects nudity faces speech[diarization] text" .
#
# The first is for CPUs. The second has torch, whose wheels carry CUDA: the machine brings the
# driver and the NVIDIA container toolkit, and `docker run --gpus` or compose hands over a device.
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
COPY plugins plugins/
COPY workers workers/
ARG PLUGINS="nudity faces speech text"
# Two wheels own the folder cv2/ and overwrite each other: without the one that needs a display.
RUN --mount=type=cache,target=/root/.cache/uv \
    docker/wheels.sh '.[s3,postgresql]' workers > wheels.txt \
    && echo opencv-python > excludes.txt \
    && uv venv --quiet "$VIRTUAL_ENV" \
    && uv pip install --no-config --require-hashes -c requirements.lock --excludes excludes.txt \
        -r wheels.txt

FROM python:${PYTHON}
# As the first process, tini passes SIGTERM on and buries decoders whose worker was killed.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends tini=0.19.0-* \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home --home-dir /var/lib/moderation moderation \
    && install --directory --owner=10001 --group=10001 /var/lib/moderation/models
COPY --from=build /opt/moderation /opt/moderation
ENV PATH=/opt/moderation/bin:$PATH \
    PYTHONFAULTHANDLER=1 \
    MODERATION_HOME=/var/lib/moderation \
    MODERATION_JOBS__HEARTBEAT=/tmp/heartbeat
# Written to: here, with downloaded weights in models/, and in /tmp; all else may be read-only.
VOLUME /var/lib/moderation
# Where moderation.toml is looked for.
WORKDIR /etc/moderation
USER 10001:10001
HEALTHCHECK --interval=30s --timeout=10s --start-period=180s --retries=2 \
    CMD ["python", "-m", "moderation_workers.healthy", "/tmp/heartbeat"]
ENTRYPOINT ["tini", "--", "moderation"]
CMD ["worker"]
