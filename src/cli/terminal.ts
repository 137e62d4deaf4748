/** Select Graphic Rendition, ECMA-48 §8.3.117: on, and off again. */
const codes = { bold: [1, 22], dim: [2, 22], red: [31, 39], green: [32, 39], yellow: [33, 39] } as const

type Color = keyof typeof codes

/** Paints text for one stream: `paint('red', 'text')`. Colours are for people: a terminal that wants them. */
export type Paint = (color: Color, text: string) => string

export function painter({ isTTY }: { readonly isTTY?: boolean }, env = process.env): Paint {
  // https://no-color.org: any value that is not empty.
  const wanted = isTTY === true && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb'
  return wanted ? (color, text) => `\x1b[${codes[color][0]}m${text}\x1b[${codes[color][1]}m` : (_color, text) => text
}

/** Data, for the next program in the pipe. Resolves when it is written, so that an exit loses nothing. */
export function print(text: string): Promise<void> {
  return write(process.stdout, text)
}

/** Everything a person should read that is not data. */
export function note(text: string): Promise<void> {
  return write(process.stderr, text)
}

/** Why a command did not do what it was asked. */
export async function complain(text: string): Promise<1> {
  await note(`${painter(process.stderr)('red', 'ferrite:')} ${text}\n`)
  return 1
}

function write(stream: NodeJS.WriteStream, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(text, error => (error == null ? resolve() : reject(error)))
  })
}

/** A reader that has enough (`| head`) closes the pipe; that is not a failure of the command. */
export const isBrokenPipe = (error: unknown): boolean => (error as NodeJS.ErrnoException | null)?.code === 'EPIPE'
