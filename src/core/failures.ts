/**
 * Every way a request can fail, as one table. `source` says who can act on it; `retry` is all that
 * pipeline/attempt.ts asks: `never` (the answer is final), `same` (ask this target again, then the next),
 * `next` (ask the next target). `status`, `type`, `code` and the default `message` are what the client sees.
 */
export type FailureSource = 'downstream' | 'gateway' | 'upstream'
export type Retry = 'never' | 'same' | 'next'

interface FailureRow {
  readonly status: number
  readonly type: string
  /** The `code` of the error envelope when it differs from the row's name. */
  readonly code?: string
  readonly source: FailureSource
  readonly retry: Retry
  readonly message: string
}

export const failures = {
  // What the client sent.
  invalid_request: {
    status: 400,
    type: 'invalid_request_error',
    source: 'downstream',
    retry: 'never',
    message: 'the request is not valid',
  },
  bad_http: {
    status: 400,
    type: 'invalid_request_error',
    code: 'invalid_request',
    source: 'downstream',
    retry: 'never',
    message: 'the HTTP request is malformed',
  },
  unsupported_parameter: {
    status: 400,
    type: 'invalid_request_error',
    source: 'downstream',
    retry: 'next',
    message: 'a parameter is not supported',
  },
  streaming_not_supported: {
    status: 400,
    type: 'invalid_request_error',
    source: 'downstream',
    retry: 'never',
    message: 'streaming is not supported here',
  },
  provider_not_resolved: {
    status: 400,
    type: 'invalid_request_error',
    source: 'downstream',
    retry: 'never',
    message:
      'nothing says where this request should go: send the header X-Provider, or a model in a JSON body (Content-Type: application/json)',
  },
  invalid_proxy_path: {
    status: 400,
    type: 'invalid_request_error',
    source: 'downstream',
    retry: 'never',
    message: 'the path is not valid',
  },
  missing_api_key: {
    status: 401,
    type: 'authentication_error',
    source: 'downstream',
    retry: 'never',
    message: 'missing or invalid authorization header',
  },
  invalid_api_key: {
    status: 401,
    type: 'authentication_error',
    source: 'downstream',
    retry: 'never',
    message: 'invalid or revoked API key',
  },
  insufficient_scope: {
    status: 403,
    type: 'permission_error',
    source: 'downstream',
    retry: 'never',
    message: 'this key does not have the scope this route needs',
  },
  not_found: {
    status: 404,
    type: 'invalid_request_error',
    source: 'downstream',
    retry: 'never',
    message: 'there is nothing at this path',
  },
  provider_not_found: {
    status: 404,
    type: 'invalid_request_error',
    source: 'downstream',
    retry: 'never',
    message: 'no configured target is the provider that X-Provider names',
  },
  model_not_found: {
    status: 404,
    type: 'invalid_request_error',
    source: 'downstream',
    retry: 'never',
    message: 'no configured provider serves the requested model',
  },
  method_not_supported: {
    status: 405,
    type: 'invalid_request_error',
    source: 'downstream',
    retry: 'never',
    message: 'this method is not accepted here',
  },
  request_timeout: {
    status: 408,
    type: 'invalid_request_error',
    source: 'downstream',
    retry: 'never',
    message: 'the request took too long to arrive',
  },
  request_too_large: {
    status: 413,
    type: 'invalid_request_error',
    source: 'downstream',
    retry: 'never',
    message: 'request body too large',
  },
  expectation_failed: {
    status: 417,
    type: 'invalid_request_error',
    source: 'downstream',
    retry: 'never',
    message: 'this Expect header is not supported',
  },
  head_too_large: {
    status: 431,
    type: 'invalid_request_error',
    source: 'downstream',
    retry: 'never',
    message: 'request head too large',
  },
  proxy_not_supported: {
    status: 501,
    type: 'invalid_request_error',
    source: 'downstream',
    retry: 'never',
    message: 'requests to this provider are not passed through',
  },
  batch_not_configured: {
    status: 501,
    type: 'invalid_request_error',
    source: 'downstream',
    retry: 'never',
    message: 'no batch_target is configured for files and batches',
  },
  batch_not_supported: {
    status: 501,
    type: 'invalid_request_error',
    source: 'downstream',
    retry: 'never',
    message: 'this provider has no files and batches in OpenAI’s form',
  },
  responses_not_configured: {
    status: 501,
    type: 'invalid_request_error',
    source: 'downstream',
    retry: 'never',
    message: 'no responses_target is configured for stored responses',
  },
  responses_not_supported: {
    status: 501,
    type: 'invalid_request_error',
    source: 'downstream',
    retry: 'never',
    message: 'the provider of this model has no Responses API',
  },
  unknown_method: {
    status: 501,
    type: 'invalid_request_error',
    code: 'method_not_supported',
    source: 'downstream',
    retry: 'never',
    message: 'The request method is not supported by this server.',
  },
  unknown_coding: {
    status: 501,
    type: 'invalid_request_error',
    code: 'transfer_coding_not_supported',
    source: 'downstream',
    retry: 'never',
    message: 'this Transfer-Encoding is not supported',
  },
  client_canceled: {
    status: 499,
    type: 'invalid_request_error',
    source: 'downstream',
    retry: 'never',
    message: 'the client went away',
  },

  // What the gateway decided.
  rate_limit_exceeded: {
    status: 429,
    type: 'rate_limit_error',
    source: 'gateway',
    retry: 'never',
    message: 'rate limit exceeded',
  },
  overloaded: {
    status: 503,
    type: 'server_error',
    source: 'gateway',
    retry: 'never',
    message: 'the gateway is overloaded; retry shortly',
  },
  draining: {
    status: 503,
    type: 'server_error',
    code: 'overloaded',
    source: 'gateway',
    retry: 'never',
    message: 'the gateway is shutting down; retry elsewhere',
  },
  worker_lost: {
    status: 502,
    type: 'server_error',
    source: 'gateway',
    retry: 'never',
    message: 'the gateway lost the thread that carried this request',
  },
  internal_error: {
    status: 500,
    type: 'server_error',
    source: 'gateway',
    retry: 'never',
    message: 'the gateway could not complete the request',
  },
  routing_error: {
    status: 500,
    type: 'server_error',
    source: 'gateway',
    retry: 'never',
    message: 'the gateway could not complete the request',
  },
  provider_saturated: {
    status: 429,
    type: 'rate_limit_error',
    source: 'gateway',
    retry: 'next',
    message: 'the gateway is at capacity for this request; retry shortly',
  },
  gateway_timeout: {
    status: 504,
    type: 'upstream_error',
    source: 'gateway',
    retry: 'never',
    message: 'the upstream provider did not respond in time',
  },

  // What the upstream did.
  upstream_rate_limited: {
    status: 429,
    type: 'rate_limit_error',
    code: 'rate_limit_exceeded',
    source: 'upstream',
    retry: 'same',
    message: 'rate limit exceeded',
  },
  upstream_quota_exhausted: {
    status: 429,
    type: 'rate_limit_error',
    code: 'rate_limit_exceeded',
    source: 'upstream',
    retry: 'next',
    message: 'rate limit exceeded',
  },
  upstream_auth_error: {
    status: 502,
    type: 'upstream_error',
    source: 'upstream',
    retry: 'next',
    message: 'the gateway could not authenticate with the upstream provider',
  },
  upstream_model_not_found: {
    status: 404,
    type: 'invalid_request_error',
    code: 'model_not_found',
    source: 'upstream',
    retry: 'next',
    message: 'the provider that serves this model no longer offers it',
  },
  upstream_rejected: {
    status: 400,
    type: 'invalid_request_error',
    code: 'invalid_request',
    source: 'upstream',
    retry: 'next',
    message: 'the upstream provider rejected the request',
  },
  upstream_too_large: {
    status: 413,
    type: 'invalid_request_error',
    code: 'request_too_large',
    source: 'upstream',
    retry: 'next',
    message: 'the upstream provider refused a request of this size',
  },
  upstream_timeout: {
    status: 504,
    type: 'upstream_error',
    source: 'upstream',
    retry: 'same',
    message: 'the upstream provider did not respond in time',
  },
  upstream_unreachable: {
    status: 502,
    type: 'upstream_error',
    code: 'upstream_error',
    source: 'upstream',
    retry: 'same',
    message: 'the upstream provider could not be reached',
  },
  upstream_error: {
    status: 502,
    type: 'upstream_error',
    source: 'upstream',
    retry: 'same',
    message: 'the upstream provider returned no usable response',
  },
  proxy_failed: {
    status: 502,
    type: 'server_error',
    code: 'upstream_error',
    source: 'upstream',
    retry: 'never',
    message: 'upstream connection failed',
  },
  upstream_refused: {
    status: 502,
    type: 'upstream_error',
    code: 'upstream_error',
    source: 'upstream',
    retry: 'next',
    message: 'the upstream provider returned no usable response',
  },
  stream_error: {
    status: 502,
    type: 'stream_error',
    source: 'upstream',
    retry: 'never',
    message: 'the upstream stream broke off',
  },
  stream_timeout: {
    status: 504,
    type: 'timeout_error',
    source: 'upstream',
    retry: 'never',
    message: 'stream timed out waiting for next chunk',
  },
} satisfies Record<string, FailureRow>

export type FailureKind = keyof typeof failures

export interface FailureDetails {
  /** What the client reads instead of the row's default. Must already be redacted. */
  readonly message?: string
  /** The envelope's `param`. */
  readonly param?: string
  /** The upstream's status, when it answered. */
  readonly upstreamStatus?: number
  /** The status to answer with, when it is not the row's (an upstream 422 stays 422). */
  readonly status?: number
  /** How long the client should wait; sent as `Retry-After`, rounded up to seconds. */
  readonly retryAfterMs?: number
  /** For the log only: what happened in the upstream's or the system's own words. */
  readonly cause?: string
  /** Methods for `Allow`. */
  readonly allow?: string
}

/** A failure is a value: on the data plane it is returned, never thrown. */
export class Failure {
  readonly kind: FailureKind
  readonly details: FailureDetails

  constructor(kind: FailureKind, details: FailureDetails = {}) {
    this.kind = kind
    this.details = details
  }

  get status(): number {
    return this.details.status ?? failures[this.kind].status
  }
  get message(): string {
    return this.details.message ?? failures[this.kind].message
  }
  get type(): string {
    return failures[this.kind].type
  }
  get code(): string {
    return (failures[this.kind] as FailureRow).code ?? this.kind
  }
  get source(): FailureSource {
    return failures[this.kind].source
  }
  get retry(): Retry {
    return failures[this.kind].retry
  }
}

/** The error envelope, as OpenAI's clients expect it. */
export function errorEnvelope(failure: Failure): string {
  return `{"error":{"message":${JSON.stringify(failure.message)},"type":"${failure.type}","param":${JSON.stringify(failure.details.param ?? null)},"code":"${failure.code}"}}\n`
}
