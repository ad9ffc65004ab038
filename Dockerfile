# One image for the three processes: `bot` (the default), `worker`, `jobs`.
FROM python:3.13.9-slim-bookworm AS packages
WORKDIR /build
COPY requirements.txt constraints.txt ./
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --disable-pip-version-check \
        -r requirements.txt -c constraints.txt

FROM python:3.13.9-slim-bookworm
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0
RUN useradd --system --uid 10001 --no-create-home app
COPY --from=packages /venv /venv
WORKDIR /app
COPY app.py pyproject.toml ./
COPY bot bot
COPY services services
COPY tasks tasks
RUN python -m compileall -q app.py bot services tasks
USER 10001
EXPOSE 5000
# Of the bot; compose.yml switches it off for the others, which end by themselves if they fail.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["python", "-c", \
    "from urllib.request import urlopen; urlopen('http://127.0.0.1:5000/readyz', timeout=4)"]
ENTRYPOINT ["python", "app.py"]
CMD ["bot"]
