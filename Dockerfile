# An image of one file: the static binary. `docker build -t 1mcp .` needs nothing but this directory;
# `docker build --target prebuilt -t 1mcp .` takes target/dist/1mcp, which `make static` leaves there.
#
# RUST is the image that builds: Debian, as there tests/outside/static.sh is checked.
ARG RUST=docker.io/library/rust:1.95-slim-bookworm

FROM scratch AS image
# Variables and not flags, so that they hold for whatever follows `serve`, and for `1mcp health` too.
ENV PATH=/usr/local/bin ONE_MCP_CONFIG_DIR=/config ONE_MCP_HOST=0.0.0.0 ONE_MCP_PORT=3050
# Neither a shell nor a list of users is here, so the user is a number; any other works as well.
USER 65534:65534
EXPOSE 3050
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=6s --start-period=5s CMD ["1mcp", "health"]
ENTRYPOINT ["1mcp"]
CMD ["serve", "--transport", "http"]

FROM scratch AS directories
WORKDIR /image/config
WORKDIR /shared/tmp

FROM image AS prebuilt
COPY --from=directories --chown=65534:65534 /image /
# For any user: there is where `1mcp mcp status` finds the instance.
COPY --from=directories --chmod=1777 /shared /
COPY target/dist/1mcp /usr/local/bin/1mcp
VOLUME /config

FROM ${RUST} AS build
WORKDIR /src
COPY . .
RUN tests/outside/static.sh
RUN install -d -m 755 /image/config && install -d -m 1777 /image/tmp

FROM image
COPY --from=build --chown=65534:65534 /image /
COPY --from=build /src/target/dist/1mcp /usr/local/bin/1mcp
# mcp.json, and what 1mcp keeps: keys, tokens, state.
VOLUME /config
