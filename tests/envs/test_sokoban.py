"""The Sokoban family: rules by hand, levels by seed, solutions against a search of another kind."""

from collections import deque

import numpy as np
import pytest

from opengato.core.environment import ExpertFailed
from opengato.envs import sokoban
from opengato.envs.sokoban.board import DOWN, LEFT, RIGHT, SIDE, UP, Board, reward
from opengato.envs.sokoban.family import LEVELS
from opengato.envs.sokoban.levels import make_level
from opengato.envs.sokoban.solver import Solver

FAMILY = sokoban.Family()
ROOM = """
######
#    #
# @$.#
#  $.#
######
"""
LOST = """
######
#$   #
# @  #
#   .#
######
"""
SQUARE = """
########
#      #
# $$   #
# $$@  #
#  ....#
########
"""


def level(seed: int, side: int, boxes: int) -> Board:
    return make_level(np.random.default_rng(seed), side, boxes)


def fewest_moves(board: Board) -> int | None:
    """Breadth-first search, one move at a time."""
    waiting, seen = deque([(board, 0)]), {(board.boxes, board.player)}
    while waiting:
        board, moves = waiting.popleft()
        if board.boxes == board.targets:
            return moves
        for action in range(4):
            following = board.moved(action)
            if (following.boxes, following.player) not in seen:
                seen.add((following.boxes, following.player))
                waiting.append((following, moves + 1))
    return None


def test_moves_push_and_walls_stop() -> None:
    board = Board.parse(ROOM)
    pushed = board.moved(RIGHT)
    assert str(pushed).splitlines()[2] == "#  @*#"
    assert pushed.moved(RIGHT) is pushed  # a wall behind the box
    assert str(board.moved(LEFT)).splitlines()[2] == "#@ $.#"
    assert str(board.moved(DOWN).moved(RIGHT)).splitlines()[3] == "#  @*#"
    assert board.moved(UP).moved(RIGHT).moved(DOWN).player == board.player - 5  # two boxes in a row do not move
    assert str(Board.parse(str(board))) == str(board)


def test_rewards_by_hand() -> None:
    board = Board.parse(ROOM)
    first = board.moved(RIGHT)
    assert reward(board, first) == pytest.approx(-0.1 + 1)
    last = first.moved(LEFT).moved(DOWN)
    assert reward(last, last.moved(RIGHT)) == pytest.approx(-0.1 + 1 + 10)
    taken = Board.parse("######\n#@*  #\n######")
    assert reward(taken, taken.moved(RIGHT)) == pytest.approx(-0.1 - 1)


@pytest.mark.parametrize(("side", "boxes"), [(7, 1), (7, 2), (8, 2)])
def test_solutions_are_shortest(side: int, boxes: int) -> None:
    for seed in range(8):
        board = level(seed, side, boxes)
        moves = Solver(board).solve(board)
        assert moves is not None
        assert len(moves) == fewest_moves(board)
        for move in moves:
            board = board.moved(move)
        assert board.solved


def test_a_lost_board_is_known_as_such() -> None:
    board = Board.parse(LOST)
    assert fewest_moves(board) is None
    assert Solver(board).solve(board) is None
    full = Board.parse(SQUARE)
    assert Solver(full).solve(full) is None


def test_levels_have_their_size_and_no_box_at_home() -> None:
    for name, (side, boxes) in LEVELS.items():
        board = level(5, side, boxes)
        assert (board.width, board.height, len(board.boxes), len(board.targets)) == (side, side, boxes, boxes), name
        assert not board.boxes & board.targets
        assert board.boxes <= board.floor
        assert board.player in board.floor - board.boxes
        edge = board.kinds().copy()
        edge[1:-1, 1:-1] = 0
        assert not edge.any(), "walls all around"


@pytest.mark.parametrize("name", ["9x9-1", "8x8-2"])
def test_training_and_evaluation_have_different_levels(name: str) -> None:
    evaluation = {str(level(seed, *LEVELS[name])) for seed in range(100)}
    training = {str(level(seed, *LEVELS[name])) for seed in range(1_000_000, 1_000_100)}
    assert len(evaluation) == len(training) == 100
    assert not evaluation & training


def test_the_expert_solves_and_earns_what_the_rules_give() -> None:
    env = FAMILY.make("8x8-3")
    for seed in range(5):
        raw, _ = env.reset(seed=seed)
        act, total, length, over, info = FAMILY.expert(env), 0.0, 0, False, {}
        while not over:
            raw, gained, over, _, info = env.step(act(raw))
            total, length = total + float(gained), length + 1
        assert info["success"]
        assert total == pytest.approx(10 + 3 - 0.1 * length)


def test_the_expert_goes_on_from_other_moves_or_gives_up_what_is_lost() -> None:
    env, solved, lost, rng = FAMILY.make("8x8-2"), 0, 0, np.random.default_rng(0)
    for seed in range(20):
        raw, _ = env.reset(seed=seed)
        act, over, info = FAMILY.expert(env), False, {}
        try:
            while not over:
                move = act(raw)
                raw, _, terminated, truncated, info = env.step(int(rng.integers(4)) if rng.random() < 0.2 else move)
                over = terminated or truncated
            solved += info["success"]
        except ExpertFailed:
            lost += 1
            assert fewest_moves(env.board) is None
    assert solved + lost == 20
    assert solved > 5


def test_what_is_seen_is_the_board_in_the_middle() -> None:
    env = FAMILY.make("8x8-2")
    raw, _ = env.reset(seed=0)
    cells = raw.reshape(SIDE, SIDE)
    np.testing.assert_array_equal(cells[1:9, 1:9], env.board.kinds())
    assert not cells[0].any()
    assert not cells[:, 9].any()
    assert env.observation_space.contains(raw)
    assert (np.isin(raw, (3, 4)).sum(), np.isin(raw, (5, 6)).sum()) == (2, 1)


def test_an_episode_is_truncated_after_120_steps() -> None:
    env = FAMILY.make("9x9-2")
    env.reset(seed=0)
    ends = [env.step(int(step % 2))[2:4] for step in range(120)]  # up and down
    assert ends[:119] == [(False, False)] * 119
    assert ends[119] == (False, True)


def test_pictures_show_every_move() -> None:
    env = FAMILY.make("8x8-2", render_size=64)
    raw, _ = env.reset(seed=1)
    frame = np.asarray(env.render())
    assert (frame.shape, frame.dtype) == ((64, 64, 3), np.uint8)
    env.step(FAMILY.expert(env)(raw))
    assert not np.array_equal(np.asarray(env.render()), frame)
    with pytest.raises(ValueError, match="render_size"):
        FAMILY.make("8x8-2").render()
