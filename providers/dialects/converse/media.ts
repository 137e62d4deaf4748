import { isObject, type JsonObject } from '../../../src/core/json.ts'
import type { Media as Located, Part, Refusal } from '../chat-request.ts'
import { UniqueNames } from './tool-ids.ts'

const images: Readonly<Record<string, string>> = {
  'image/png': 'png',
  'image/jpeg': 'jpeg',
  'image/jpg': 'jpeg',
  'image/gif': 'gif',
  'image/webp': 'webp',
}

/** https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_DocumentBlock.html */
const documents: Readonly<Record<string, string>> = {
  'application/pdf': 'pdf',
  'application/msword': 'doc',
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document': 'docx',
  'application/vnd.ms-excel': 'xls',
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet': 'xlsx',
  'application/json': 'txt',
  'text/csv': 'csv',
  'text/html': 'html',
  'text/markdown': 'md',
}

const videos: Readonly<Record<string, string>> = {
  'video/mp4': 'mp4',
  'video/quicktime': 'mov',
  'video/webm': 'webm',
  'video/x-matroska': 'mkv',
  'video/x-flv': 'flv',
  'video/mpeg': 'mpeg',
  'video/x-ms-wmv': 'wmv',
  'video/3gpp': 'three_gp',
}

/** https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_AudioBlock.html */
const sounds: Readonly<Record<string, string>> = {
  'audio/mp3': 'mp3',
  'audio/mpeg': 'mp3',
  'audio/wav': 'wav',
  'audio/x-wav': 'wav',
  'audio/flac': 'flac',
  'audio/ogg': 'ogg',
  'audio/opus': 'opus',
  'audio/aac': 'aac',
  'audio/mp4': 'm4a',
  'audio/pcm': 'pcm',
  'audio/webm': 'webm',
}

/** What may come as one of Converse's own blocks, for which OpenAI has no name: files in S3, say. */
const ownBlocks = ['image', 'document', 'video', 'audio', 'json', 'searchResult', 'guardContent']

/** Content that is no text. Bytes only: an address would have to be fetched from here, which lets anyone look inside. */
export class Media {
  readonly #refusal: Refusal
  readonly #names = new UniqueNames(' ', 180)

  constructor(refusal: Refusal) {
    this.#refusal = refusal
  }

  blocks({ part, type, param }: Part, media: Located | null): JsonObject[] {
    if (type === '') {
      const own = ownBlocks.find(name => isObject(part[name]))
      if (own !== undefined) return [{ [own]: part[own] }]
    }
    if (media?.kind === 'url') {
      this.#refusal.unsupported(param, `${param}: this model takes images and files as data URLs only`)
      return []
    }
    const block = media?.kind === 'bytes' ? this.#block(media.mimeType, media.base64, media.name) : null
    if (block !== null) return [block]
    const what = media?.kind === 'bytes' ? `${media.mimeType} content` : `a part of type "${type}"`
    this.#refusal.unsupported(param, `${param}: this model cannot take ${what}`)
    return []
  }

  #block(mimeType: string, bytes: string, name: string): JsonObject | null {
    const source = { bytes }
    if (Object.hasOwn(images, mimeType)) return { image: { format: images[mimeType], source } }
    if (Object.hasOwn(videos, mimeType)) return { video: { format: videos[mimeType], source } }
    if (Object.hasOwn(sounds, mimeType)) return { audio: { format: sounds[mimeType], source } }
    const format = Object.hasOwn(documents, mimeType) ? documents[mimeType] : mimeType.startsWith('text/') ? 'txt' : ''
    return format === '' ? null : { document: { format, name: this.#name(name), source } }
  }

  /** Letters, digits, hyphens, brackets and single blanks; no name twice. */
  #name(name: string): string {
    const clean = name
      .replace(/[^A-Za-z0-9()[\]-]+/g, ' ')
      .trim()
      .slice(0, 190)
    return this.#names.of(clean || 'document')
  }
}
