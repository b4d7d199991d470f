# The controller and its command line. The first stage makes the environment that uv.lock describes, the second holds
# nothing else: no package installer of ours, no cache, no shell needed, no root.
FROM python:3.11-slim-bookworm AS build
RUN pip install --no-cache-dir uv==0.13.9
ENV UV_PROJECT_ENVIRONMENT=/opt/canary \
    UV_PYTHON_DOWNLOADS=never \
    UV_LINK_MODE=copy
WORKDIR /src
COPY pyproject.toml uv.lock README.md LICENSE ./
RUN uv sync --locked --no-dev --no-install-project --compile-bytecode
COPY canary ./canary
# The bill of materials is read from what is installed, by a tool that is not.
RUN uv sync --locked --no-dev --no-editable --compile-bytecode \
    && uv run --isolated --locked --only-group sbom cyclonedx-py environment \
    --output-reproducible --output-file /opt/canary/sbom.cdx.json /opt/canary

FROM python:3.11-slim-bookworm
COPY --from=build /opt/canary /opt/canary
# Answers of all sizes come and go: without the MALLOC_ settings glibc keeps the gaps between them, and memory creeps up.
ENV PATH=/opt/canary/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    MALLOC_ARENA_MAX=1 \
    MALLOC_MMAP_THRESHOLD_=32768 \
    MALLOC_TRIM_THRESHOLD_=131072 \
    HOME=/
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["canary"]
