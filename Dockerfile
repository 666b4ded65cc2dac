# A static program in an image that has nothing else: no shell, no package manager, nobody but one user without rights.
#
#   docker build -t tenantry/tenantry:0.1.0 .
#
# Not built by a test: there is no container runtime where the tests run. The image's own toolchain builds for musl, so nothing is
# cross-compiled and the same file serves amd64 and arm64 (`docker buildx build --platform linux/amd64,linux/arm64`).
ARG RUST=1.92

FROM rust:${RUST}-alpine AS build
# A C compiler for SQLite, ring and the allocator; the certificates that TLS is checked against.
RUN apk add --no-cache build-base ca-certificates
WORKDIR /src
COPY . .
RUN cargo build --locked --profile dist --bin tenantry \
    # It has to run where there is no loader: a program that asks for one fails here, not in the cluster.
    && ! readelf -l target/dist/tenantry | grep -q INTERP \
    && mkdir -p /image/data /image/tmp

FROM scratch
LABEL org.opencontainers.image.title="Tenantry" \
      org.opencontainers.image.description="Tenants as code, reconciled into a directory" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.url="https://tenantry.dev"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /src/target/dist/tenantry /usr/bin/tenantry
# Relative paths (embedded directories, histories, mails) start in /data: mount a volume there. SQLite sorts in /tmp.
COPY --from=build --chown=65532:65532 /image/ /
# Where the verifier looks; set it to another file for an authority of your own.
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
WORKDIR /data
USER 65532:65532
ENTRYPOINT ["/usr/bin/tenantry"]
