declare const FERRITE_VERSION: string | undefined
declare const FERRITE_COMMIT: string | undefined
declare const FERRITE_BUILT: string | undefined

/** Set when the thread bundles are built; a development build from single modules has none. */
export const version = typeof FERRITE_VERSION === 'string' ? FERRITE_VERSION : 'dev'
export const commit = typeof FERRITE_COMMIT === 'string' ? FERRITE_COMMIT : 'none'
export const built = typeof FERRITE_BUILT === 'string' ? FERRITE_BUILT : 'unknown'
