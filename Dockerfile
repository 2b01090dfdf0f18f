# Not built where this project is developed (no container engine there). Checked instead, in an empty
# folder on Debian 12 with Python 3.11: the `uv sync` lines below, and that the resulting environment
# runs `sidecar serve` as an ordinary user with nothing writable but the data volume.
FROM python:3.11-slim AS build
RUN pip install --no-cache-dir uv==0.13.9
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
WORKDIR /app
COPY pyproject.toml uv.lock README.md ./
RUN uv sync --frozen --no-default-groups --extra uvloop --no-install-project
COPY sidecar ./sidecar
RUN uv sync --frozen --no-default-groups --extra uvloop --no-editable

FROM python:3.11-slim
RUN useradd --system --uid 10001 --user-group --no-create-home sidecar \
    && install -d -o sidecar -g sidecar /var/lib/sidecar
COPY --from=build /app/.venv /app/.venv
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1
USER 10001:10001
EXPOSE 5000 8080
VOLUME /var/lib/sidecar
ENTRYPOINT ["sidecar"]
CMD ["serve", "--config", "/etc/sidecar/harbor.yml"]
