"""The OpenAI format: a joined stream is the answer that an unstreamed request would get."""

from runtime.llamacpp.chunks import Json, Piece, Writer, carries_text, whole


def test_text_and_log_probabilities_are_joined() -> None:
    writer = Writer("c1", "jester", logprobs=True, created=5)
    chunks = [
        writer.role(),
        writer.piece(Piece("Fly,", -0.5)),
        writer.piece(Piece(" fools", -0.25)),
        writer.finish("stop"),
        writer.usage(3, 2),
    ]
    answer = whole(chunks)
    assert answer["id"] == "c1"
    assert answer["object"] == "chat.completion"
    assert answer["model"] == "jester"
    assert answer["usage"] == {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    (choice,) = answer["choices"]
    assert choice["message"] == {"role": "assistant", "content": "Fly, fools"}
    assert choice["finish_reason"] == "stop"
    assert [token["logprob"] for token in choice["logprobs"]["content"]] == [-0.5, -0.25]


def test_an_answer_without_a_token_has_no_text() -> None:
    writer = Writer("c1", "jester")
    (choice,) = whole([writer.role(), writer.finish("stop")])["choices"]
    assert choice["message"]["content"] is None
    assert "logprobs" not in choice


def test_several_choices_stay_apart_and_in_order() -> None:
    def part(index: int, text: str) -> Json:
        return {"choices": [{"index": index, "delta": {"content": text}}]}

    answer = whole([part(1, "b"), part(0, "a"), part(1, "B"), part(0, "A")])
    assert [choice["message"]["content"] for choice in answer["choices"]] == ["aA", "bB"]


def test_tool_calls_are_joined_by_their_index() -> None:
    def part(**call: object) -> Json:
        return {"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}

    answer = whole(
        [
            part(index=0, id="t0", function={"name": "roll", "arguments": '{"d'}),
            part(index=0, function={"arguments": '20":1}'}),
            part(index=1, id="t1", function={"name": "flee", "arguments": "{}"}),
        ]
    )
    first, second = answer["choices"][0]["message"]["tool_calls"]
    assert first["id"] == "t0"
    assert first["function"] == {"name": "roll", "arguments": '{"d20":1}'}
    assert second["function"]["name"] == "flee"


def test_reasoning_is_kept_beside_the_answer() -> None:
    chunks: list[Json] = [
        {"choices": [{"index": 0, "delta": {"reasoning_content": "hm"}}]},
        {"choices": [{"index": 0, "delta": {"content": "yes"}}]},
    ]
    (choice,) = whole(chunks)["choices"]
    assert choice["message"]["reasoning_content"] == "hm"
    assert choice["message"]["content"] == "yes"


def test_only_pieces_of_the_answer_count_as_tokens() -> None:
    writer = Writer("c1", "jester")
    assert not carries_text(writer.role())
    assert carries_text(writer.piece(Piece("x")))
    assert not carries_text(writer.finish("stop"))
    assert not carries_text(writer.usage(1, 1))
