"""The HTTP API of the record: what the log commits to, proofs of it, outcomes, and erasure."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Path, Query, Request
from fastapi.responses import PlainTextResponse, Response
from pydantic import ConfigDict, Field, StringConstraints, model_validator

from crds.base import Model
from crds.checkpoint import claimed
from runtime.audit import ErasureEntry, OutcomeEntry
from runtime.audit.entry import number_of
from runtime.audit.kinds import Score
from runtime.audit.log import now
from runtime.audit.proofs import Hash, InclusionProof, encoded
from runtime.gateway.gateway import Gateway
from runtime.gateway.interfaces import examples
from runtime.gateway.interfaces.answers import DecisionId
from runtime.gateway.interfaces.guarded import Guarded
from runtime.gateway.interfaces.models import Task
from runtime.gateway.interfaces.problems import not_everywhere, unknown_decision
from runtime.gateway.peers import HEADER as PEER
from runtime.gateway.peers import PeerSilentError
from runtime.limits.visits import Visit
from runtime.web.answers import answer
from runtime.web.problems import problem

Player = Annotated[
    str,
    Path(
        min_length=1, max_length=80, description="The player, as sessions name them.",
        examples=["Mara"],
    ),
]  # fmt: skip
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class ConsistencyProof(Model):
    """That a log begins with an earlier state of it (RFC 9162, 2.1.4)."""

    start: Annotated[int, Field(alias="from", description="Size of the earlier state.")]
    proof: list[Hash]
    checkpoint: Annotated[str, Field(description="A signed note with size and root.")]
    key: Annotated[str, Field(description="The public key that signed it.")]


class OutcomeRequest(Model):
    """What became of a decision: the right answer, a score, or both."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": [name], "properties": {name: {"type": "string"}}}
                for name in ("answer", "score")
            ]
        }
    )

    answer: Annotated[
        Line | None, Field(max_length=4000, description="What would have been right.")
    ] = None
    score: Annotated[
        Score | None, Field(description='How good the decision was, "0" (bad) to "1" (good).')
    ] = None
    task: Annotated[
        Task | None,
        Field(description="What kind of question it was, if the decision was asked without one."),
    ] = None
    source: Annotated[
        Line, Field(max_length=64, description="What judged it: a rule, a playtest, a person.")
    ]

    @model_validator(mode="after")
    def _says_something(self) -> "OutcomeRequest":
        if self.answer is None and self.score is None:
            raise ValueError("give answer, score, or both")
        return self


def audits(gateway: Gateway) -> APIRouter:
    """What auditors, operators and games call."""
    router = APIRouter(prefix="/v1", tags=["audit"])
    reads, judges = Depends(Guarded(gateway, "read")), Guarded(gateway, "outcome", peers="outcome")

    @router.get(
        "/audit/checkpoint",
        dependencies=[reads],
        summary="Read the signed checkpoint",
        response_class=PlainTextResponse,
        responses={
            200: {"content": {"text/plain": {"example": examples.CHECKPOINT}}},
            **examples.responses(503, {}, 401, 403, 429, 503),
        },
    )
    async def checkpoint() -> PlainTextResponse:
        """Size and root of this gateway's log as a C2SP tlog-checkpoint, signed with Ed25519. A
        decision is under it after 10 seconds at most."""
        return PlainTextResponse(await gateway.attestation.checkpoint())

    @router.get(
        "/audit/proof/{decision}",
        dependencies=[reads],
        summary="Prove that a decision is in the log",
        response_model=InclusionProof,
        responses=examples.responses(200, examples.INCLUSION, 401, 403, 404, 422, 429, 503),
    )
    async def proof(decision: DecisionId) -> Response:
        """The way from the entry to the root of the checkpoint beside it. A decision that is too
        new to be signed is signed now."""
        if await gateway.decisions.get(decision) is None:
            return unknown_decision(decision).response()
        found = await gateway.attestation.inclusion(number_of(decision))
        return answer(
            InclusionProof(
                entry=decision,
                index=found.index,
                leaf_hash=encoded(found.leaf),
                proof=[encoded(step) for step in found.proof],
                checkpoint=found.note,
                key=gateway.attestation.key,
            )
        )

    @router.get(
        "/audit/consistency",
        dependencies=[reads],
        summary="Prove that the log only grew",
        response_model=ConsistencyProof,
        responses=examples.responses(200, examples.CONSISTENCY, 401, 403, 404, 422, 429, 503),
    )
    async def consistency(
        start: Annotated[
            int, Query(alias="from", ge=0, le=10**15, description="Size of an earlier checkpoint.")
        ],
    ) -> Response:
        """The proof that the log under the checkpoint begins with the log of `from` entries."""
        try:
            note, steps = await gateway.attestation.consistency(start)
        except IndexError:
            size = claimed(await gateway.attestation.checkpoint()).size
            return problem(
                "beyond-the-log",
                HTTPStatus.NOT_FOUND,
                "The log is not that long",
                f"from is {start} and the signed log has {size} entries; ask from a size that an "
                "earlier checkpoint of this gateway had",
            ).response()
        return answer(
            ConsistencyProof(
                start=start,
                proof=[encoded(step) for step in steps],
                checkpoint=note,
                key=gateway.attestation.key,
            )
        )

    @router.post(
        "/decisions/{decision}/outcome",
        summary="Say what became of a decision",
        status_code=HTTPStatus.CREATED,
        response_model=OutcomeEntry,
        responses=examples.responses(201, examples.OUTCOME, 401, 403, 404, 413, 422, 429, 503),
    )
    async def post(
        visit: Annotated[Visit, Depends(judges)],
        request: Request,
        decision: DecisionId,
        body: Annotated[
            OutcomeRequest, Body(openapi_examples={"right": {"value": examples.OUTCOME_REQUEST}})
        ],
    ) -> Response:
        """It is in the log, under the same checkpoints, once this answers; whichever replica has
        the decision, any one takes it. A decision may have several outcomes, from several sources:
        members are judged by the last one that tells what was right. Send it again while it answers
        503: a replica was not reached."""
        entry = OutcomeEntry(
            time=now(), decision=decision, actor=visit.caller.key, **body.model_dump()
        )
        written = await gateway.decisions.post(entry)
        if written is None and PEER not in request.headers:
            try:
                written = await gateway.peers.judge(
                    decision,
                    body.model_dump_json(exclude_none=True),
                    visit.credential,
                    replicas=gateway.replicas,
                )
            except PeerSilentError:
                return problem(
                    "not-everywhere",
                    HTTPStatus.SERVICE_UNAVAILABLE,
                    "Not every gateway was reached",
                    "this gateway does not have the decision, and one that may have it did not "
                    "answer; wait until all of them are ready and send it again",
                ).response()
        if written is None:
            return unknown_decision(decision).response()
        return answer(written, HTTPStatus.CREATED)

    @router.delete(
        "/players/{player:path}",
        summary="Destroy a player's words",
        response_model=ErasureEntry,
        responses={
            **examples.responses(200, examples.ERASURE, 401, 403, 404, 422, 429, 503),
            204: {"description": "Other replicas had words of this player, and this one had none."},
        },
    )
    async def forget(
        visit: Annotated[Visit, Depends(Guarded(gateway, "admin", peers="admin"))],
        request: Request,
        player: Player,
        by: Annotated[
            str | None,
            Query(
                min_length=1,
                max_length=200,
                description="Who asks, for the record. Default: the API key that "
                "asks, else `game`.",
            ),
        ] = None,
    ) -> Response:
        """The sessions of the player are deleted and the key of their words in the log is
        destroyed: nobody can read them again. The decisions stay, with their numbers and votes, and
        so do all proofs. The tombstone that this answers is in the log; every replica has one in
        its own. Send it again while it answers 503: a replica was not reached."""
        by = by or visit.caller.key or "game"
        erasure = await gateway.forget_player(player, by)
        elsewhere = (
            False
            if PEER in request.headers
            else await gateway.peers.forget(
                "players", player, visit.credential, by=by, replicas=gateway.replicas
            )
        )
        if elsewhere is None:
            return not_everywhere().response()
        if erasure is None and elsewhere:
            return Response(status_code=HTTPStatus.NO_CONTENT)
        if erasure is None:
            return problem(
                "unknown-player",
                HTTPStatus.NOT_FOUND,
                "No such player",
                f"nothing is kept of {player[:80]!r}; give the name exactly as sessions do",
            ).response()
        return answer(erasure)

    return router
