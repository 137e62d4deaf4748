import { open } from 'node:fs/promises'

/** The text of a file that holds a credential, trimmed. Throws the system's error, or for one too large to be that. */
export async function readSmallFile(path: string, maxBytes = 64 * 1024): Promise<string> {
  const file = await open(path, 'r')
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(maxBytes + 1), 0, maxBytes + 1, 0)
    if (bytesRead > maxBytes) throw new Error('the file is too large to hold a credential')
    return buffer.toString('utf8', 0, bytesRead).trim()
  } finally {
    await file.close()
  }
}
