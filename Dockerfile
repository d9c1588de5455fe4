# fanwire in a container, on Bun. Not built in this project's tests, where there is no Docker: a test checks what it refers to.
#   docker build -t fanwire . && docker run -e FANWIRE_JWT_SECRET=… -p 9001:9001 --ulimit nofile=200000 fanwire

FROM node:22-bookworm-slim AS build
WORKDIR /fanwire
COPY package.json package-lock.json ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY scripts ./scripts
COPY src ./src
RUN npm run build \
 && cp "$(readlink -f node_modules/.bin/bun)" /usr/local/bin/bun \
 && npm prune --omit=dev

FROM debian:bookworm-slim
COPY --from=build /usr/local/bin/bun /usr/local/bin/bun
COPY --from=build /fanwire/package.json /fanwire/package.json
COPY --from=build /fanwire/node_modules /fanwire/node_modules
COPY --from=build /fanwire/dist /fanwire/dist
# It writes no files and needs no rights.
USER 65534:65534
# Outside of development mode, which listens on loopback only: a secret or a JWKS has to be given.
ENV FANWIRE_HOST=0.0.0.0 FANWIRE_PORT=9001
EXPOSE 9001
# It drains then, for up to limits.drainExitMs (10 s): give it more than that (docker stop -t 15).
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=2s CMD ["bun", "-e", "process.exit((await fetch('http://127.0.0.1:9001/health')).ok ? 0 : 1)"]
ENTRYPOINT ["bun", "/fanwire/dist/main.js"]
