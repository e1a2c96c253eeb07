# One image, four commands: python -m user_service serve | worker | migrate, python -m email_service.
# Nothing in it is secret: settings come from the environment, or from files that *_FILE names.

FROM python:3.11-slim AS builder

# argon2-cffi-bindings is built from source with these flags, for 1.6 to 1.9 times the hashes that
# the stock wheel makes. The image then needs a CPU from about 2013 on; for older ones, or another
# architecture, build with ARGON2_CFLAGS="" or flags of your own. Whatever fails on the way, or
# does not run on the building machine, leaves the stock wheel and says so; /opt/venv/argon2.txt
# keeps the outcome.
ARG ARGON2_CFLAGS="-O3 -march=x86-64-v3"
RUN if [ -n "$ARGON2_CFLAGS" ]; then \
      { apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev; } \
      || echo "No compiler can be installed here."; \
    fi

WORKDIR /build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
COPY requirements.lock requirements-native.lock ./
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip /opt/venv \
    && pip --python /opt/venv/bin/python install --require-hashes --only-binary=:all: -r requirements.lock

COPY dev_stack/native_argon2.py dev_stack/
RUN --mount=type=cache,target=/root/.cache/pip \
    python dev_stack/native_argon2.py --python /opt/venv/bin/python --flags="$ARGON2_CFLAGS" \
      --or-stock --note /opt/venv/argon2.txt

WORKDIR /app
COPY shared shared
COPY user_service user_service
COPY email_service email_service
# The image is read-only and its sources never change: bytecode is compiled once, and trusted.
RUN python -m compileall -q --invalidation-mode unchecked-hash .


FROM python:3.11-slim AS service

ARG VERSION=0.1.0
ARG REVISION=""
LABEL org.opencontainers.image.title="Gatepost" \
      org.opencontainers.image.description="A self-hosted credential auth service with one-time-code email verification" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"

# A number, so that an orchestrator can see for itself that it is not root.
RUN groupadd --gid 10001 gatepost \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin gatepost

COPY --from=builder /opt/venv /opt/venv
COPY --from=builder /app /app
WORKDIR /app
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    HEALTH_PORT=3000
USER 10001:10001
EXPOSE 3000

# For the worker and the email service, HEALTH_PORT is the port of their probe.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --start-interval=1s --retries=3 \
    CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['HEALTH_PORT']), timeout=4); c.request('GET', '/health/ready'); sys.exit(c.getresponse().status != 200)"]

CMD ["python", "-m", "user_service", "serve"]


# SendGrid's stand-in with its mailbox, for the profile `dev`; no part of the image that is shipped.
FROM service AS mailbox
COPY dev_stack/__init__.py dev_stack/__main__.py dev_stack/
COPY dev_stack/mail_stand_in dev_stack/mail_stand_in
ENV MAIL_STAND_IN_HOST=0.0.0.0
EXPOSE 8025
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --start-interval=1s --retries=3 \
    CMD ["python", "-c", "import http.client, sys; c = http.client.HTTPConnection('127.0.0.1', 8025, timeout=4); c.request('GET', '/api/stats'); sys.exit(c.getresponse().status != 200)"]
CMD ["python", "-m", "dev_stack", "mail-stand-in"]


FROM service
