# The operator's image. From the root of the checkout: docker build -f deploy/images/operator.Dockerfile .
ARG RUST=docker.io/library/rust:1.95-slim-bookworm
ARG RUNTIME=gcr.io/distroless/cc-debian12:nonroot

FROM ${RUST} AS build
# librdkafka and OpenSSL are C; OpenSSL's build needs Perl.
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
    cargo build --release --locked --package events-gateway-operator --bin events-gateway-operator \
    && cp target/release/events-gateway-operator /events-gateway-operator

FROM ${RUNTIME}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="events-gateway-operator" \
    org.opencontainers.image.description="Runs Events Gateways on Kubernetes" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"
COPY --from=build /events-gateway-operator /usr/bin/events-gateway-operator
# A number: Kubernetes can't prove of a name that it isn't root.
USER 65532:65532
EXPOSE 8081
ENTRYPOINT ["/usr/bin/events-gateway-operator"]
CMD ["run"]
