"""The control tasks of the recipe `tiny`, and how many episodes of each an expert shows."""

from __future__ import annotations

from opengato.rollout import TRAIN_SEED, CollectJob

# BabyAI levels, (episodes, weight): how many the bot shows, and how often they are drawn beside one that counts 1.
# What an earlier run of this recipe had mastered is drawn seldom, what it had not, often.
ONE_ROOM = {
    "GoToRedBallNoDists": (1000, 0.3),
    "GoToRedBallGrey": (4000, 1.5),
    "GoToRedBall": (4000, 1.5),
    "GoToRedBlueBall": (2000, 1.0),
    "GoToObjS4": (800, 0.3),
    "GoToObjS6": (1000, 0.3),
    "GoToObj": (1500, 0.3),
    "GoToLocalS5N2": (1000, 0.3),
    "GoToLocalS6N2": (1000, 0.3),
    "GoToLocalS6N3": (2000, 1.0),
    "GoToLocalS6N4": (2000, 1.0),
    "GoToLocalS7N4": (2000, 1.0),
    "GoToLocalS7N5": (2500, 1.0),
    "GoToLocalS8N2": (1000, 0.3),
    "GoToLocalS8N3": (1500, 1.0),
    "GoToLocalS8N4": (3000, 1.5),
    "GoToLocalS8N5": (3000, 1.5),
    "GoToLocalS8N6": (5000, 2.0),
    "GoToLocalS8N7": (5000, 2.0),
    "GoToLocal": (16000, 4.0),
    "PickupDist": (14000, 4.0),
    "PickupDistDebug": (2000, 1.0),
    "PickupLoc": (24000, 6.0),
    "PutNextLocalS5N3": (9000, 2.5),
    "PutNextLocalS6N4": (14000, 4.0),
    "PutNextLocal": (28000, 8.0),
    "OneRoomS8": (1000, 0.3),
    "OneRoomS12": (1000, 0.3),
    "OneRoomS16": (1000, 0.3),
    "OneRoomS20": (1000, 0.3),
}
# Levels of several rooms that still end within about a hundred steps.
ROOMS = {
    "OpenRedDoor": (1000, 0.3),
    "OpenDoor": (2500, 0.3),
    "OpenDoorColor": (2000, 1.0),
    "OpenDoorLoc": (2500, 0.3),
    "GoToDoor": (2000, 1.0),
    "GoToObjDoor": (3000, 1.0),
    "ActionObjDoor": (4000, 0.5),
    "UnlockLocal": (1500, 0.3),
    "UnlockLocalDist": (5000, 2.0),
    "PutNextS4N1": (2500, 0.3),
    "PutNextS5N1": (2500, 0.3),
    "PutNextS5N2": (4000, 1.5),
    "OpenTwoDoors": (2000, 0.7),
    "OpenRedBlueDoors": (2000, 0.7),
    "OpenDoorsOrderN2": (3000, 1.5),
    "FindObjS5": (1500, 0.3),
    "KeyCorridorS3R1": (1500, 0.3),
    "UnlockPickup": (1500, 0.3),
}
LEVELS = {f"babyai/{name}": level for name, level in (ONE_ROOM | ROOMS).items()}
BABYAI_WEIGHTS = {task: weight for task, (_, weight) in LEVELS.items()}
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
    return tuple(
        CollectJob(task=task, episodes=episodes, seed=TRAIN_SEED, noise=BABYAI_NOISE, only_success=True)
        for task, (episodes, _) in LEVELS.items()
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
