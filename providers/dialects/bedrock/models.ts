import { isObject } from '../../../src/core/json.ts'
import type { Discovery } from '../../../src/core/provider.ts'

/**
 * The models of the region, which another host lists; inference profiles are not among them.
 * https://docs.aws.amazon.com/bedrock/latest/APIReference/API_ListFoundationModels.html
 */
export const foundationModels = (root: NonNullable<Discovery['root']>): Discovery => ({
  root,
  path: '/foundation-models',
  decode(body) {
    if (!isObject(body) || !Array.isArray(body.modelSummaries)) return null
    const ids = body.modelSummaries.filter(isObject).map(({ modelId }) => modelId)
    return { models: ids.filter(id => typeof id === 'string' && id !== '').map(id => ({ id: String(id) })) }
  },
})
