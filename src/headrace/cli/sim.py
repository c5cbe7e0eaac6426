"""`headrace sim`."""

from typing import Annotated, Final, Literal

import typer

EPILOG: Final = """Example, in two terminals:

headrace sim --profile real

OPENAI_BASE_URL=http://127.0.0.1:9100/v1 headrace serve"""

Capacity = Annotated[
    int | None, typer.Option(help="Requests at once, above that slower.", metavar="N", min=1)
]
Speed = Annotated[
    float, typer.Option(help="Times as fast as the profile says.", min=0.001, max=1000.0)
]
Tokens = Annotated[
    int | None,
    typer.Option(
        help="Length of answers; drawn by their prompts, unless it is given.", min=1, max=100_000
    ),
]


def sim(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.", min=0, max=65535)] = 9100,
    profile: Annotated[
        Literal["instant", "fast", "real"],
        typer.Option(
            help="instant: no delay; fast: first token after 20 ms, 5 ms each; real: as models do."
        ),
    ] = "fast",
    speed: Speed = 1.0,
    seed: Annotated[int, typer.Option(help="Makes texts, delays and faults repeat.")] = 0,
    fail_rate: Annotated[float, typer.Option(help="Part that fails, 0 to 1.", min=0, max=1)] = 0.0,
    rate_limit: Annotated[
        int | None,
        typer.Option(help="Requests per minute, above that 429.", metavar="RPM", min=1),
    ] = None,
    rate_limit_tokens: Annotated[
        int | None,
        typer.Option(help="Tokens per minute, above that 429.", metavar="TPM", min=1),
    ] = None,
    capacity: Capacity = None,
    inflight_max: Annotated[
        int | None,
        typer.Option(help="Requests at once, above that 429.", metavar="N", min=1),
    ] = None,
    tokens: Tokens = None,
    prompt_cache: Annotated[
        bool, typer.Option("--prompt-cache", help="Cache prefixes of prompts, and bill them so.")
    ] = False,
) -> None:
    """Run a simulated provider that speaks the OpenAI and Anthropic APIs, to try things on.

    Its texts follow from the seed and the prompt; it counts tokens, streams,
    limits and fails as a provider does, and costs nothing.
    """
    import uvloop

    from headrace.sim.options import SimOptions
    from headrace.sim.pace import Profile
    from headrace.sim.server import SimServer, serve

    def tell(server: SimServer) -> None:
        typer.echo(f"headrace: simulated provider listening on {server.url}", err=True)

    options = SimOptions(
        host=host,
        port=port,
        profile=Profile(profile),
        speed=speed,
        seed=seed,
        fail_rate=fail_rate,
        rate_limit_rpm=rate_limit,
        rate_limit_tpm=rate_limit_tokens,
        capacity=capacity,
        inflight_max=inflight_max,
        tokens=tokens,
        prompt_cache=prompt_cache,
    )
    uvloop.run(serve(options, tell))
