/**
 * Models from before thoughts: they refuse a budget for them, and turns with thoughts in them. Whatever comes later thinks
 * unless told not to. https://docs.cohere.com/docs/reasoning
 */
const withoutThoughts = /^(command(-(r(7b|-|$)|light|nightly|a-(03|vision|translate))|$)|c4ai-|aya-)/

export const thinks = (model: string): boolean => !withoutThoughts.test(model)
