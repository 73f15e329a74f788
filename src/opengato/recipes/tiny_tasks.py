"""The control tasks of the recipe `tiny`, and how many episodes of each an expert shows."""

from __future__ import annotations

from opengato.rollout import TRAIN_SEED, CollectJob

# BabyAI levels of one room, by how much there is to learn: (level, episodes).
ONE_ROOM = {
    "GoToRedBallNoDists": 1000,
    "GoToRedBallGrey": 2000,
    "GoToRedBall": 2500,
    "GoToRedBlueBall": 2000,
    "GoToObjS4": 800,
    "GoToObjS6": 1000,
    "GoToObj": 1500,
    "GoToLocalS5N2": 1000,
    "GoToLocalS6N2": 1000,
    "GoToLocalS6N3": 1000,
    "GoToLocalS6N4": 1500,
    "GoToLocalS7N4": 1500,
    "GoToLocalS7N5": 1500,
    "GoToLocalS8N2": 1000,
    "GoToLocalS8N3": 1500,
    "GoToLocalS8N4": 1500,
    "GoToLocalS8N5": 2000,
    "GoToLocalS8N6": 2000,
    "GoToLocalS8N7": 2500,
    "GoToLocal": 5000,
    "PickupDist": 3000,
    "PickupDistDebug": 2000,
    "PickupLoc": 8000,
    "PutNextLocalS5N3": 5000,
    "PutNextLocalS6N4": 6000,
    "PutNextLocal": 8000,
    "OneRoomS8": 1500,
    "OneRoomS12": 1500,
    "OneRoomS16": 1500,
    "OneRoomS20": 1500,
}
# Levels of several rooms that still end within about a hundred steps.
ROOMS = {
    "OpenRedDoor": 1000,
    "OpenDoor": 2500,
    "OpenDoorColor": 1500,
    "OpenDoorLoc": 2500,
    "GoToDoor": 1500,
    "GoToObjDoor": 3000,
    "ActionObjDoor": 4000,
    "UnlockLocal": 1500,
    "UnlockLocalDist": 2000,
    "PutNextS4N1": 2500,
    "PutNextS5N1": 2500,
    "PutNextS5N2": 3000,
    "OpenTwoDoors": 1500,
    "OpenRedBlueDoors": 1500,
    "OpenDoorsOrderN2": 2000,
    "FindObjS5": 1500,
    "KeyCorridorS3R1": 1500,
    "UnlockPickup": 1500,
}
# Levels that take longest to learn are drawn more often than the rest, which count 1.
HARD = {
    f"babyai/{name}": weight
    for name, weight in {
        "GoToLocal": 2.0,
        "PickupLoc": 3.0,
        "PickupDist": 1.5,
        "PutNextLocal": 4.0,
        "PutNextLocalS6N4": 2.5,
        "PutNextLocalS5N3": 2.0,
        "ActionObjDoor": 1.5,
        "OpenDoorLoc": 1.5,
        "PutNextS5N1": 1.5,
        "PutNextS5N2": 1.5,
        "PutNextS4N1": 1.5,
    }.items()
}
METAWORLD = (
    "reach push drawer-open drawer-close door-open door-close door-lock door-unlock window-open window-close "
    "button-press button-press-topdown button-press-topdown-wall button-press-wall faucet-open faucet-close "
    "handle-press handle-press-side handle-pull handle-pull-side lever-pull plate-slide plate-slide-back "
    "plate-slide-side plate-slide-back-side coffee-button coffee-push dial-turn reach-wall push-back push-wall "
    "sweep-into sweep hand-insert peg-unplug-side soccer"
).split()
METAWORLD_EPISODES = 160
# A third of the BabyAI episodes has one action in ten replaced, to show how the bot recovers.
BABYAI_NOISE = (0.0, 0.0, 0.1)
METAWORLD_NOISE = (0.0, 0.1, 0.3)


def babyai_jobs() -> tuple[CollectJob, ...]:
    """What the bot shows of each level."""
    levels = {**ONE_ROOM, **ROOMS}
    return tuple(
        CollectJob(task=f"babyai/{name}", episodes=count, seed=TRAIN_SEED, noise=BABYAI_NOISE, only_success=True)
        for name, count in levels.items()
    )


def metaworld_jobs() -> tuple[CollectJob, ...]:
    """What the scripted policies show of each task."""
    return tuple(
        CollectJob(
            task=f"metaworld/{name}",
            episodes=METAWORLD_EPISODES,
            seed=TRAIN_SEED,
            noise=METAWORLD_NOISE,
            only_success=True,
            max_steps=250,
        )
        for name in METAWORLD
    )
