# The gateway's image. From the root of the checkout: docker build -f deploy/images/gateway.Dockerfile .
ARG RUST=docker.io/library/rust:1.95-slim-bookworm
ARG RUNTIME=gcr.io/distroless/cc-debian12:nonroot

FROM ${RUST} AS build
# librdkafka, OpenSSL and mimalloc are C; OpenSSL's build needs Perl.
RUN apt-get update && apt-get install --yes --no-install-recommends build-essential perl && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY crds crds
COPY gateway gateway
COPY operator operator
# Cargo wants every member of the workspace, also those that aren't built.
COPY tests tests
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package events-gateway --bin events-gateway \
    && cp target/release/events-gateway /events-gateway

FROM ${RUNTIME}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="events-gateway" \
    org.opencontainers.image.description="Carries events from Kafka through Redis to browsers" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"
COPY --from=build /events-gateway /usr/bin/events-gateway
# A number: Kubernetes can't prove of a name that it isn't root.
USER 65532:65532
EXPOSE 8080 9090
ENTRYPOINT ["/usr/bin/events-gateway"]
CMD ["run", "--config", "/etc/events-gateway/config.yaml"]
