"""What a World's decision needs."""

from controllers.observed import WorldObserved, needs
from crds import ModelEnsemble, Storyteller, World
from operators.observe.reading import Reader, Remember, all_of, config_maps, together


async def observe(reader: Reader, world: World, remember: Remember) -> WorldObserved:
    """The World, what its namespace refers to it with, and its lore."""
    meta = world.metadata
    refs = needs(world)
    remember(refs)
    ensembles, storytellers, texts = await together(
        all_of(reader, ModelEnsemble, meta.namespace),
        all_of(reader, Storyteller, meta.namespace),
        config_maps(reader, refs),
    )
    return WorldObserved(
        world=world,
        ensembles=tuple(e for e in ensembles if e.spec.world_ref == meta.name),
        storytellers=tuple(s for s in storytellers if s.spec.world_ref == meta.name),
        config_maps=texts,
    )
