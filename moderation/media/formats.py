"""What FFmpeg may open: containers and decoders that uploads use, and nothing that opens others.

Of FFmpeg's 360 demuxers some are scripts: playlists, `ffconcat`, SDP and DASH make it open other
files and sockets, and text or picture lists decode what is no video. Every codec is attack
surface. So both are lists of what is allowed, never of what is not.
"""

from __future__ import annotations

from typing import Final

__all__ = ["AUDIO_CODECS", "CONTAINERS", "INDEXED", "MEDIA_MARKS", "SCRIPT_MARKS", "VIDEO_CODECS"]

CONTAINERS: Final = (
    "mov", "mp4", "m4a", "3gp", "3g2", "mj2", "matroska", "webm", "avi", "mpegts", "mpeg", "flv",
    "ogg", "asf", "gif", "wav", "w64", "mp3", "aac", "flac", "aiff", "caf", "amr", "ac3",
)  # fmt: skip
"""FFmpeg's demuxer names."""

INDEXED: Final = frozenset({"mov", "matroska", "avi", "flv", "asf", "gif", "wav", "w64", "flac",
                            "aiff", "caf"})  # fmt: skip
"""Containers whose header says how long they are. In the others FFmpeg measures or guesses."""

VIDEO_CODECS: Final = (
    "h264", "hevc", "vvc", "vp8", "vp9", "av1", "libdav1d", "mpeg4", "mpeg1video", "mpeg2video",
    "h263", "flv", "vc1", "wmv1", "wmv2", "wmv3", "mjpeg", "prores", "theora", "gif",
)  # fmt: skip
"""FFmpeg's decoder names."""

AUDIO_CODECS: Final = (
    "aac", "aac_latm", "mp1float", "mp2", "mp2float", "mp3", "mp3float", "opus", "libopus",
    "vorbis", "ac3", "eac3", "dca", "flac", "alac", "wmav1", "wmav2", "wmapro", "amrnb", "amrwb",
    "libopencore_amrnb", "libopencore_amrwb", "adpcm_ms", "adpcm_ima_wav", "adpcm_ima_qt",
    "nellymoser", "speex", "libspeex", "pcm_s8", "pcm_u8", "pcm_alaw", "pcm_mulaw", "pcm_s16le",
    "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be", "pcm_f32le", "pcm_f32be",
    "pcm_f64le", "pcm_f64be", "pcm_bluray", "pcm_dvd",
)  # fmt: skip
"""FFmpeg's decoder names."""

MEDIA_MARKS: Final = (
    (4, b"ftyp"), (4, b"moov"), (4, b"mdat"), (4, b"styp"), (4, b"moof"), (4, b"sidx"),
    (4, b"free"), (4, b"skip"), (4, b"wide"), (0, b"\x1a\x45\xdf\xa3"), (0, b"RIFF"),
    (0, b"FLV\x01"), (0, b"OggS"), (0, b"fLaC"), (0, b"ID3"), (0, b"GIF8"), (0, b"caff"),
    (0, b"FORM"), (0, b"\x30\x26\xb2\x75"), (0, b"\x00\x00\x01\xba"), (0, b"#!AMR"),
    (0, b"\xff\xfb"), (0, b"\xff\xf1"), (0, b"\x0b\x77"),
)  # fmt: skip
"""Position and bytes by which a broken file is still known as media."""

SCRIPT_MARKS: Final = (
    b"#EXTM3U", b"ffconcat", b"v=0", b"<?xml", b"<MPD", b"[playlist]", b"concat:", b"subfile,",
)  # fmt: skip
"""How files start that would have FFmpeg open others."""
