/** WAV files of 16-bit samples on one channel. http://soundfile.sapp.org/doc/WaveFormat */

const headBytes = 44
const sampleBytes = 2

/** `rate` in samples per second. */
export function toWav(samples: Uint8Array, rate: number): Buffer {
  const head = Buffer.alloc(headBytes)
  head.write('RIFF', 0, 'latin1')
  head.writeUInt32LE(headBytes - 8 + samples.length, 4)
  head.write('WAVEfmt ', 8, 'latin1')
  head.writeUInt32LE(16, 16) // bytes of what follows up to the data
  head.writeUInt16LE(1, 20) // PCM
  head.writeUInt16LE(1, 22) // channels
  head.writeUInt32LE(rate, 24)
  head.writeUInt32LE(rate * sampleBytes, 28)
  head.writeUInt16LE(sampleBytes, 32)
  head.writeUInt16LE(sampleBytes * 8, 34)
  head.write('data', 36, 'latin1')
  head.writeUInt32LE(samples.length, 40)
  return Buffer.concat([head, samples])
}

/** The samples of a WAV file; null: it is none. */
export function samplesOf(file: Buffer): Buffer | null {
  if (file.length < 12 || file.toString('latin1', 0, 4) !== 'RIFF' || file.toString('latin1', 8, 12) !== 'WAVE')
    return null
  let at = 12
  while (at + 8 <= file.length) {
    const size = file.readUInt32LE(at + 4)
    // A file that was written as it came may not know its length.
    if (file.toString('latin1', at, at + 4) === 'data')
      return file.subarray(at + 8, Math.min(at + 8 + size, file.length))
    at += 8 + size + (size % 2)
  }
  return null
}
