"""Asks a gateway through OpenAI's Python SDK; prints what came of each case as one JSON object.

openai_client.py BASE_URL API_KEY
"""

import json
import sys

import openai

base_url, api_key = sys.argv[1:]
client = openai.OpenAI(base_url=base_url, api_key=api_key, max_retries=0, timeout=30)
messages = [{"role": "user", "content": "Hi"}]


def whole(model):
    answer = client.chat.completions.create(model=model, messages=messages)
    return [answer.choices[0].message.content, answer.usage.total_tokens]


def streamed(model, **more):
    parts, usage = [], None
    for chunk in client.chat.completions.create(model=model, messages=messages, stream=True, **more):
        parts += [choice.delta.content for choice in chunk.choices if choice.delta.content]
        usage = chunk.usage.total_tokens if chunk.usage else usage
    return ["".join(parts), usage]


def failing(call):
    try:
        call()
    except openai.APIStatusError as error:
        return [type(error).__name__, error.status_code, error.code]
    except openai.APIError as error:
        return [type(error).__name__, None, error.code]
    return ["nothing was raised"]


def with_wrong_key():
    client.with_options(api_key="fgw_wrong").models.list()


print(
    json.dumps(
        {
            "whole": whole("gpt-4o-mini"),
            "streamed": streamed("gpt-4o-mini"),
            "streamed with usage": streamed("gpt-4o-mini", stream_options={"include_usage": True}),
            "models": [model.id for model in client.models.list()],
            "model": client.models.retrieve("gpt-4o-mini").id,
            "wrong key": failing(with_wrong_key),
            "400": failing(lambda: whole("status-400")),
            "401": failing(lambda: whole("status-401")),
            "404": failing(lambda: streamed("status-404")),
            "429": failing(lambda: whole("status-429")),
            "500": failing(lambda: streamed("status-500")),
            "broken": failing(lambda: streamed("broken")),
        }
    )
)
