"""Jobs played by supervised workers: a process that dies or hangs costs an episode, and never the run."""

from __future__ import annotations

import time
from collections import Counter, defaultdict, deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

from opengato.rollout.collect import CollectJob, Outcome
from opengato.rollout.workers import READY, Crew, Worker, WorkerDied

LARGEST_PIECE = 50  # episodes that a worker plays before it is given other work
START_SECONDS = 300.0  # in which a fresh process must have loaded this package
HEARTBEAT_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """When an episode counts as lost, and when a job is given up.

    `seconds` an episode may take, making its environment included; the clock is that of the caller, and a worker beyond
    it is killed. An episode whose process dies is begun `tries` times in all. A job that loses `patience` episodes in a
    row is given up.
    """

    seconds: float = 900.0
    tries: int = 2
    patience: int = 5

    def __post_init__(self) -> None:
        if self.seconds <= 0 or self.tries < 1 or self.patience < 1:
            raise ValueError(
                f"received seconds={self.seconds}, tries={self.tries}, patience={self.patience}; expected seconds "
                "above 0, and at least one try and one loss"
            )


@dataclass(slots=True)
class _Piece:
    """Seeds [seed, end) of job `number`; `since` is when its first episode began, None while a process starts."""

    number: int
    seed: int
    end: int
    given: float = 0.0
    since: float | None = None


def supervise(jobs: Sequence[CollectJob], crew: Crew, limits: Limits) -> Generator[tuple[int, Outcome] | None]:
    """Every outcome of `jobs` as it comes, with the number of its job; None about once a second where none comes.

    Outcomes of different jobs, and of one, come in any order. After a "given up" none comes of that job; the losses
    before it are in its cause and nowhere else, so that another run begins with them. RuntimeError if workers do not
    even start.
    """
    return _Supervisor(jobs, crew, limits).run()


class _Supervisor:
    def __init__(self, jobs: Sequence[CollectJob], crew: Crew, limits: Limits) -> None:
        self.jobs, self.crew, self.limits = jobs, crew, limits
        self.queue = deque(_Piece(i, job.seed, job.seed + job.episodes) for i, job in enumerate(jobs) if job.episodes)
        self.busy: dict[Worker, _Piece] = {}
        self.idle: dict[Worker, str] = {}  # with the family that its process has loaded
        self.left = [job.episodes for job in jobs]
        self.losses: defaultdict[int, list[Outcome]] = defaultdict(list)
        self.deaths: Counter[tuple[int, int]] = Counter()

    def run(self) -> Generator[tuple[int, Outcome] | None]:
        try:
            while self.queue or self.busy:
                self._assign()
                answering = self.crew.wait(list(self.busy), HEARTBEAT_SECONDS)
                if not answering:
                    yield None
                for worker in answering:
                    if worker in self.busy:  # it may have been given up since
                        yield from self._receive(worker)
                for worker in self._overdue():
                    yield from self._lose(worker, f"it took longer than {self.limits.seconds:g} s")
        finally:
            for worker in (*self.busy, *self.idle):
                worker.kill()

    def _assign(self) -> None:
        while self.queue and len(self.busy) < self.crew.size:
            piece = self._cut()
            worker = self._practised(self._family(piece.number))
            piece.given = time.monotonic()
            piece.since = piece.given if worker else None
            worker = worker or self._hire()
            self.busy[worker] = piece
            worker.start(replace(self.jobs[piece.number], seed=piece.seed, episodes=piece.end - piece.seed))

    def _cut(self) -> _Piece:
        """Work for one worker: of one job, and less towards the end, so that all workers end together."""
        waiting = sum(piece.end - piece.seed for piece in self.queue)
        size = max(1, min(LARGEST_PIECE, waiting // (4 * self.crew.size)))
        head = self.queue[0]
        piece = _Piece(head.number, head.seed, min(head.end, head.seed + size))
        head.seed = piece.end
        if head.seed == head.end:
            self.queue.popleft()
        return piece

    def _family(self, number: int) -> str:
        return self.jobs[number].task.partition("/")[0]

    def _practised(self, family: str) -> Worker | None:
        """An idle worker that has loaded this family."""
        for worker, loaded in self.idle.items():
            if loaded == family:
                del self.idle[worker]
                return worker
        return None

    def _hire(self) -> Worker:
        """A fresh process, in the place of an idle one: simulators of two families need not get on in one."""
        if len(self.busy) + len(self.idle) >= self.crew.size:
            worker, _ = self.idle.popitem()
            worker.kill()
        return self.crew.hire()

    def _receive(self, worker: Worker) -> Generator[tuple[int, Outcome]]:
        piece = self.busy[worker]
        try:
            message = worker.receive()
        except WorkerDied as death:
            if piece.since is None:
                raise RuntimeError(f"a worker could not begin to collect {self.jobs[piece.number]}: {death}") from death
            self.deaths[piece.number, piece.seed] += 1
            again = self.deaths[piece.number, piece.seed] < self.limits.tries
            yield from self._lose(worker, str(death), again=again)
            return
        piece.since = time.monotonic()
        if message == READY:
            return
        piece.seed += 1
        if piece.seed == piece.end:
            del self.busy[worker]
            self.idle[worker] = self._family(piece.number)
        yield from self._settle(piece.number, message)

    def _overdue(self) -> list[Worker]:
        """Workers beyond the limit that have nothing to say: where the caller was slow, the fault is not theirs."""
        now, late = time.monotonic(), []
        for worker, piece in self.busy.items():
            if piece.since is None and now - piece.given > START_SECONDS:
                raise RuntimeError(f"a worker did not begin within {START_SECONDS:g} s; is this machine overloaded?")
            if piece.since is not None and now - piece.since > self.limits.seconds:
                late.append(worker)
        speaking = self.crew.wait(late, 0) if late else []
        return [worker for worker in late if worker not in speaking]

    def _lose(self, worker: Worker, cause: str, *, again: bool = False) -> Generator[tuple[int, Outcome]]:
        """End a worker. What is left of its piece comes next, with the episode that it played if `again`."""
        if worker not in self.busy:
            return
        piece = self.busy.pop(worker)
        worker.kill()
        rest = _Piece(piece.number, piece.seed + (not again), piece.end)
        if rest.seed < rest.end:
            self.queue.appendleft(rest)
        if not again:
            yield from self._settle(piece.number, Outcome(seed=piece.seed, kind="lost", cause=cause))

    def _settle(self, number: int, outcome: Outcome) -> Generator[tuple[int, Outcome]]:
        """Losses are held back until it is clear that they are not the end of the job."""
        self.left[number] -= 1
        losses = self.losses[number]
        losses.append(outcome)
        if outcome.kind == "lost" and len(losses) == self.limits.patience:
            yield self._give_up(number)
        elif outcome.kind != "lost" or self.left[number] == 0:
            yield from ((number, known) for known in losses)
            losses.clear()

    def _give_up(self, number: int) -> tuple[int, Outcome]:
        self.queue = deque(piece for piece in self.queue if piece.number != number)
        for worker in [worker for worker, piece in self.busy.items() if piece.number == number]:
            del self.busy[worker]
            worker.kill()
        seeds = ", ".join(str(outcome.seed) for outcome in self.losses[number])
        last = self.losses[number][-1]
        cause = f"{self.limits.patience} episodes in a row were lost (seeds {seeds}), the last because {last.cause}"
        return number, Outcome(seed=last.seed, kind="given up", cause=cause)
