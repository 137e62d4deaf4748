import { parseUsage } from '../../src/core/chat.ts'
import { readUsage } from '../../src/core/usage-scan.ts'
import { measure } from './measure.ts'

// An answer's usage from its bytes, and by parsing it. Run from the build: node .build/bench/micro/usage-scan.js
const forms: Readonly<Record<string, object>> = {
  plain: { prompt_tokens: 57, completion_tokens: 212, total_tokens: 269 },
  'with details': {
    prompt_tokens: 1057,
    completion_tokens: 212,
    total_tokens: 1269,
    prompt_tokens_details: { cached_tokens: 1024, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: 128,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  },
}

for (const [name, usage] of Object.entries(forms)) {
  const bytes = Buffer.from(JSON.stringify(usage))
  if (readUsage(bytes, 0, bytes.length) === null) throw new Error(`${name} must be read without parsing`)
  console.log(`${name}: ${bytes.length} bytes`)
  measure('readUsage', 1_000_000, () => readUsage(bytes, 0, bytes.length))
  measure('parseUsage(JSON.parse(utf8))', 200_000, () => parseUsage(JSON.parse(bytes.toString('utf8'))))
}
