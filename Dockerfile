# Two images from one source: `api` answers HTTP, `worker` carries runs; docs/containers.md.
# Packages come from requirements.lock and are a layer of their own below Kavox itself: a change of the code leaves them
# alone. Neither pip's caches nor uv stay.

FROM python:3.13-slim-trixie AS api-packages
# With UV_SYSTEM_CERTS uv trusts the machine's certificates, as pip does, and so those of a proxy that were put there.
ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_PYTHON_DOWNLOADS=never \
    UV_SYSTEM_CERTS=true \
    VIRTUAL_ENV=/opt/kavox
WORKDIR /source
COPY requirements.lock pyproject.toml ./
RUN --mount=type=cache,target=/root/.cache \
    pip install --no-cache-dir --root-user-action=ignore "$(grep '^uv==' requirements.lock)" && \
    uv venv "$VIRTUAL_ENV" && \
    uv pip install --requirements pyproject.toml --constraints requirements.lock

FROM api-packages AS worker-packages
# What speaks on the worker's own machine is here as far as it is small; kokoro and bark are not.
RUN --mount=type=cache,target=/root/.cache \
    uv pip install --requirements pyproject.toml --constraints requirements.lock \
        --extra worker --extra notebooks --extra hibari --extra edge --extra elevenlabs

FROM api-packages AS code
COPY . .
RUN --mount=type=cache,target=/root/.cache uv pip install --no-deps --target /opt/code .

FROM python:3.13-slim-trixie AS runtime
# The number is fixed, because the files of volumes and secrets belong to it. /data and /audio hand their owner on to
# volumes that are mounted there. Memory that is mounted there (tmpfs) belongs to root under Docker and has the folder's
# mode, so /data is open as /tmp is: nobody else is in the container.
RUN groupadd --system --gid 10001 kavox && \
    useradd --system --uid 10001 --gid kavox --no-log-init --create-home --shell /usr/sbin/nologin kavox && \
    install --directory --owner kavox --group kavox --mode 0700 /audio && \
    install --directory --owner kavox --group kavox --mode 1777 /data
ENV HOME=/home/kavox \
    KAVOX_AUDIO_URL=file:///audio \
    KAVOX_DATA_DIR=/data \
    PATH=/opt/code/bin:/opt/kavox/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPATH=/opt/code \
    PYTHONUNBUFFERED=1
WORKDIR /data
ARG REVISION=unknown
LABEL org.opencontainers.image.description="A REST microservice that speaks text on Kaggle's free GPUs" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.version="0.1.0"

FROM runtime AS worker
LABEL org.opencontainers.image.title="Kavox worker"
COPY --from=worker-packages /opt/kavox /opt/kavox
COPY --from=code /opt/code /opt/code
USER 10001:10001
# A worker says every few seconds that it lives; whoever accepts jobs goes by the same sign.
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 CMD ["python", "-m", "workers.health"]
CMD ["kavox", "worker"]

FROM runtime AS api
LABEL org.opencontainers.image.title="Kavox API"
COPY --from=api-packages /opt/kavox /opt/kavox
COPY --from=code /opt/code /opt/code
USER 10001:10001
# Open to the container's network, so every request needs a key; `kavox keys create NAME` makes one.
ENV KAVOX_HOST=0.0.0.0
EXPOSE 8000
# Whether the process answers. /readyz would also blame it for a Redis or workers that are away.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 CMD ["python", "-m", "app.health"]
CMD ["kavox", "api"]
