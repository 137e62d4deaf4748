import { plainHeaders } from '../core/answer.ts'
import { Failure } from '../core/failures.ts'
import { GatheredBytes } from '../core/gathered-bytes.ts'
import type { Accept, Incoming, IncomingListener } from '../core/incoming.ts'
import type { Provider } from '../core/provider.ts'
import type { SnapshotData } from '../core/snapshot.ts'
import type { Surface } from '../core/surface.ts'
import type { ThreadMetrics } from '../shared/metric-rows.ts'
import { awakeFirst } from '../shared/target-state.ts'
import { tokenBuckets } from '../shared/token-buckets.ts'
import { type AdmitParts, admit, type ForwardRoute, type Route, type RouteTable, routeTable } from './admit.ts'
import { capabilitiesAnswer } from './capabilities.ts'
import { compileSnapshot, type Registries, type Snapshot } from './compile.ts'
import { withDeployment } from './deployment.ts'
import { Exchange } from './exchange.ts'
import { Forward } from './forward.ts'
import { resolveAlias } from './forward-target.ts'
import { HeldBytes } from './held-bytes.ts'
import { modelsAnswer } from './models.ts'
import { finishRecord, type RecordSink } from './record.ts'
import { type Body, Walk } from './walk.ts'

/**
 * The life of a request, the same for every surface:
 *
 *   admit (head) → body → read → order targets → walk them: attempt, retry, fallback → reply → record
 */
export interface PipelineParts extends Registries {
  readonly metrics: ThreadMetrics
  readonly buckets: SharedArrayBuffer
  readonly records: RecordSink
  /** What may be kept of bodies under way, in all; no limit without. */
  readonly heldBytesBudget?: number
}

export class Pipeline {
  readonly #parts: PipelineParts
  readonly #routes: RouteTable
  #snapshot: Snapshot
  #admission!: AdmitParts
  readonly held: HeldBytes

  constructor(parts: PipelineParts, data: SnapshotData) {
    this.#parts = parts
    this.held = new HeldBytes(parts.heldBytesBudget ?? Number.POSITIVE_INFINITY)
    this.#routes = routeTable(parts.surfaces)
    this.#snapshot = this.#compile(data, parts.providers)
  }

  /** A reload: requests that are under way keep the snapshot they began with. */
  swap(data: SnapshotData, providers: readonly Provider[] = this.#parts.providers): void {
    this.#snapshot = this.#compile(data, providers)
  }

  #compile(data: SnapshotData, providers: readonly Provider[]): Snapshot {
    const { requestsPerSecond, burst } = data.rateLimit
    const buckets = requestsPerSecond > 0 ? tokenBuckets(this.#parts.buckets, requestsPerSecond, burst) : null
    this.#admission = { routes: this.#routes, buckets, metrics: this.#parts.metrics }
    return compileSnapshot(data, { ...this.#parts, providers })
  }

  readonly accept: Accept = incoming => {
    const exchange = new Exchange(incoming, this.#snapshot, this.#record)
    const route = admit(exchange, this.#admission)
    if (route instanceof Failure) exchange.fail(route)
    return new Listener(this, exchange, route)
  }

  /** The body is complete. Returns who works on the request from here on, or null when it is answered. */
  run(exchange: Exchange, route: Exclude<Route, ForwardRoute>, body: Body): Walk | null {
    switch (route.kind) {
      case 'preflight':
        exchange.answer(204, plainHeaders, '', '')
        return null
      case 'models':
      case 'model':
        modelsAnswer(exchange, route.kind === 'model' ? route.id : null)
        return null
      case 'capabilities':
        capabilitiesAnswer(exchange)
        return null
      case 'surface':
        return this.#call(exchange, route.surface, body)
    }
  }

  forward(exchange: Exchange, route: ForwardRoute): Forward {
    return new Forward(exchange, route, this.#parts.metrics)
  }

  #call(exchange: Exchange, surface: Surface, body: Body): Walk | null {
    const { snapshot } = exchange
    exchange.surface = surface
    exchange.surfaceId = surface.id
    const contentType = exchange.incoming.header('content-type')
    const { deployment } = exchange.place
    if (deployment !== '') body = withDeployment(body, contentType, deployment)
    const call = surface.read(body.bytes, { contentType })
    if (call instanceof Failure) return exchange.fail(call) ?? null
    exchange.stream = call.stream
    exchange.measured = call.measured
    const { model, targets } = snapshot.route(surface, resolveAlias(exchange, call.model))
    exchange.model = model
    if (targets.length === 0) return exchange.fail(new Failure('model_not_found')) ?? null
    const walk = new Walk(
      exchange,
      call,
      targets.length === 1 ? targets : awakeFirst(targets, Date.now()),
      body,
      this.#parts.metrics,
    )
    walk.start()
    return walk
  }

  readonly #record = (exchange: Exchange): void => finishRecord(exchange, this.#parts.metrics, this.#parts.records)
}

/** Collects the body and passes on what the client does. */
class Listener implements IncomingListener {
  readonly #pipeline: Pipeline
  readonly #exchange: Exchange
  readonly #route: Route | Failure
  #held: GatheredBytes | null = null
  #walk: Walk | null = null
  #forward: Forward | null = null

  constructor(pipeline: Pipeline, exchange: Exchange, route: Route | Failure) {
    this.#pipeline = pipeline
    this.#exchange = exchange
    this.#route = route
  }

  onBody(chunk: Uint8Array, last: boolean): void {
    const exchange = this.#exchange
    const route = this.#route
    if (exchange.over || route instanceof Failure) return
    exchange.requestBytes += chunk.length
    if (route.kind === 'forward') {
      this.#forward ??= this.#pipeline.forward(exchange, route)
      this.#forward.body(chunk, last)
      return
    }
    if (last && this.#held === null) {
      this.#walk = this.#pipeline.run(exchange, route, { bytes: chunk, isLent: true })
      return
    }
    const refused = this.#pipeline.held.take(exchange, chunk.length)
    if (refused !== null) {
      this.#letGo()
      return exchange.fail(refused)
    }
    const held = (this.#held ??= new GatheredBytes())
    held.push(chunk, exchange.incoming.expectedBytes)
    if (!last) return
    this.#walk = this.#pipeline.run(exchange, route, held.all())
    this.#letGo()
  }

  onDrain(): void {
    this.#walk?.resume()
    this.#forward?.resume()
  }

  onCancel(): void {
    this.#walk?.cancel()
    this.#forward?.cancel()
    this.#letGo()
    this.#exchange.cancel()
  }

  #letGo(): void {
    this.#held?.release()
    this.#held = null
  }
}

export type { Incoming }
