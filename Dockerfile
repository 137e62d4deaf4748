# docker build -t ferrite .
# docker run -p 8080:8080 -e OPENAI_API_KEY -e MASTER_KEY ferrite
#
# With uWebSockets.js from its author, TAG being one of its releases (see SECURITY.md); without it the gateway uses its own sockets:
#   docker build --build-arg UWS_TAG=TAG -t ferrite .

FROM node:20-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY . .
RUN node scripts/build.js
ARG UWS_TAG=
RUN mkdir -p /engine/node_modules \
 && if [ -n "$UWS_TAG" ]; then \
      apt-get update && apt-get install -y --no-install-recommends ca-certificates git \
      && cd /engine && npm install --no-save "uNetworking/uWebSockets.js#$UWS_TAG"; \
    fi

FROM node:20-slim
ENV NODE_ENV=production
WORKDIR /app
# Bundles; nothing else is needed to run.
COPY --from=build /build/dist ./dist
COPY --from=build /build/package.json /build/LICENSE /build/config.example.yaml ./
COPY --from=build /engine/node_modules ./node_modules
USER node
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 8080}/livez`).then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/main.js"]
