# An image of one file: the static binary. `docker build -t 1mcp .` needs nothing but this directory.
#
# BINARY=prebuilt takes target/dist/1mcp, which `make static` leaves there, instead of building it.
# RUST is the image that builds: Debian, as there tests/outside/static.sh is checked.
ARG RUST=docker.io/library/rust:1.95-slim-bookworm
ARG BINARY=build

FROM ${RUST} AS build
WORKDIR /src
COPY . .
RUN tests/outside/static.sh
RUN install -D -m 755 target/dist/1mcp /image/1mcp && \
    install -d -m 755 /image/root/config && install -d -m 1777 /image/root/tmp

FROM scratch AS prebuilt
COPY target/dist/1mcp /image/1mcp
WORKDIR /image/root/config
WORKDIR /image/root/tmp

FROM ${BINARY} AS made

FROM scratch
# Neither a shell nor a list of users is here, so the user is a number; any other works as well.
COPY --from=made /image/1mcp /usr/local/bin/1mcp
COPY --from=made --chown=65534:65534 /image/root /
USER 65534:65534
# By variables, so that they hold for whatever follows `serve`, and for `1mcp health` too.
ENV PATH=/usr/local/bin ONE_MCP_CONFIG_DIR=/config ONE_MCP_HOST=0.0.0.0 ONE_MCP_PORT=3050
# mcp.json, and what 1mcp keeps: keys, tokens, state.
VOLUME /config
EXPOSE 3050
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=6s --start-period=5s CMD ["1mcp", "health"]
ENTRYPOINT ["1mcp"]
CMD ["serve", "--transport", "http"]
