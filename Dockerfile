# Small image of the service: a build stage with pip, a run stage with the virtual environment alone.
FROM python:3.12-slim AS build
WORKDIR /app
RUN python -m venv /app/.venv
COPY requirements.txt .
RUN /app/.venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.txt
COPY pyproject.toml README.md ./
COPY service service
COPY nlp nlp
RUN /app/.venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation --editable . \
 && find /app/.venv -name tests -type d -prune -exec rm -rf {} +

FROM python:3.12-slim
RUN useradd --system --uid 10001 --create-home journeymap && mkdir /data && chown journeymap /data
WORKDIR /app
COPY --from=build /app /app
COPY data data
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1 JOURNEYMAP_DATA_DIR=/data
USER journeymap
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=4 \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["journeymap"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
