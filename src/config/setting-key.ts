/** How a provider's setting is written in a config file: `apiKey` is `api_key` there. */
export const settingKey = (name: string): string => name.replaceAll(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
