"""Asks a gateway for everything but chats through OpenAI's Python SDK; prints what came of each as one JSON object.

openai_surfaces.py BASE_URL API_KEY SOUND_IN_BASE64
"""

import base64
import json
import sys

import openai

base_url, api_key, sound = sys.argv[1:]
client = openai.OpenAI(base_url=base_url, api_key=api_key, max_retries=0, timeout=30)
file = ('größe "1".wav', base64.b64decode(sound), "audio/wav")
picture = ("kite.png", b"a picture", "image/png")


def embedding(**more):
    answer = client.embeddings.create(model="text-embedding-3-small", input="a", **more)
    return [round(number, 6) for number in answer.data[0].embedding]


def heard(response_format):
    answer = client.audio.transcriptions.create(model="whisper-1", file=file, response_format=response_format)
    return answer if isinstance(answer, str) else answer.text


def streamed():
    events = client.audio.transcriptions.create(model="gpt-4o-transcribe", file=file, stream=True)
    return [event.type for event in events]


def completed():
    model = "gpt-3.5-turbo-instruct"
    chunks = client.completions.create(model=model, prompt="a", stream=True)
    whole = client.completions.create(model=model, prompt=["a", "b"])
    return [[chunk.choices[0].text for chunk in chunks], [choice.text for choice in whole.choices]]


def refused():
    try:
        client.images.generate(model="gpt-image-1", prompt="a kite", response_format="url")
    except openai.BadRequestError as error:
        return [error.status_code, error.code, error.param]
    return ["nothing was raised"]


print(
    json.dumps(
        {
            "vectors": embedding(),
            "floats": embedding(encoding_format="float"),
            "picture": client.images.generate(model="gpt-image-1", prompt="a kite").data[0].b64_json,
            "edit": client.images.edit(model="dall-e-2", image=[picture, picture], prompt="a hat").data[1].url,
            "variation": client.images.create_variation(image=picture).data[0].url,
            "refused": refused(),
            "heard": {name: heard(name) for name in ["json", "text", "srt", "vtt", "verbose_json"]},
            "streamed": streamed(),
            "translated": client.audio.translations.create(model="whisper-1", file=file).text,
            "said": base64.b64encode(
                client.audio.speech.create(model="tts-1", input="Hi", voice="alloy").content
            ).decode(),
            "flagged": client.moderations.create(input="an attack").results[0].flagged,
            "completed": completed(),
        }
    )
)
