"""Every answer and chunk against the SDK's own types: without this switch it takes whatever comes."""

import json
import sys

from openai import OpenAI

base_url, key, *models = sys.argv[1:]
client = OpenAI(base_url=base_url, api_key=key, max_retries=0, _strict_response_validation=True)
messages = [{"role": "user", "content": "Weather in Oslo?"}]
weather = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
tools = [{"type": "function", "function": {"name": "get_weather", "strict": True, "parameters": weather}}]


def calls_of(message):
    return [[call.function.name, call.function.arguments] for call in message.tool_calls or []]


def conversation(model):
    """A question, a call, its result: all that the model said goes back as it came."""
    asked = client.chat.completions.create(model=model, messages=messages, tools=tools, reasoning_effort="low")
    said = asked.choices[0].message
    results = [{"role": "tool", "tool_call_id": call.id, "content": "sunny"} for call in said.tool_calls]
    told = client.chat.completions.create(
        model=model,
        messages=[*messages, said.model_dump(exclude_none=True), *results],
        tools=tools,
        reasoning_effort="low",
    )
    return [calls_of(said), told.choices[0].message.content]


def stream(model):
    options = {"include_usage": True}
    with client.chat.completions.stream(
        model=model, messages=messages, tools=tools, stream_options=options, reasoning_effort="low"
    ) as events:
        final = events.get_final_completion()
    return [calls_of(final.choices[0].message), final.choices[0].finish_reason, final.usage.total_tokens > 0]


print(json.dumps({model: [conversation(model), stream(model)] for model in models}))
