"""The 57 games: what each asks for, in words, and what people reach.

Human scores are the means of [Wang et al. 2016, arXiv:1511.06581, table 2], of players with at most five minutes an
episode, as our tasks have.
"""

from __future__ import annotations

from typing import NamedTuple


class Game(NamedTuple):
    """A game as its player is told of it, and a person's mean return."""

    instruction: str
    human_score: float


GAMES = {
    "Alien": Game("run through the maze, crush the eggs and keep away from the aliens", 7127.7),
    "Amidar": Game("paint the lines of the grid and keep away from the natives", 1719.5),
    "Assault": Game("shoot the small ships that the mother ship sends down", 742.0),
    "Asterix": Game("collect the helmets and potions and keep away from the lyres", 8503.3),
    "Asteroids": Game("turn your ship and shoot the asteroids to pieces before they hit you", 47388.7),
    "Atlantis": Game("fire the three cannons to save the city from the ships above it", 29028.1),
    "BankHeist": Game("drive through the town, rob the banks and escape the police", 753.1),
    "BattleZone": Game("find enemy tanks in the field around you and shoot them", 37187.5),
    "BeamRider": Game("ride the beams in space and shoot the saucers of the sector", 16926.5),
    "Berzerk": Game("shoot the robots in the rooms and do not touch the walls", 2630.4),
    "Bowling": Game("roll the ball down the lane and knock over all ten pins", 160.7),
    "Boxing": Game("box the other fighter in the ring: land more punches than you take", 12.1),
    "Breakout": Game("bounce the ball off the paddle and break all bricks of the wall", 30.5),
    "Centipede": Game("shoot the centipede on its way down between the mushrooms", 12017.0),
    "ChopperCommand": Game("fly the helicopter and shoot the jets that attack the trucks", 7387.8),
    "CrazyClimber": Game("climb up the skyscraper window by window and do not fall", 35829.4),
    "Defender": Game("fly over the planet and shoot the landers that abduct its people", 18688.9),
    "DemonAttack": Game("shoot the demons in the air above you and evade their bombs", 1971.0),
    "DoubleDunk": Game("play basketball two against two and score more baskets", -16.4),
    "Enduro": Game("race through day and night and overtake as many cars as you can", 860.5),
    "FishingDerby": Game("catch more fish than the other angler and keep them from the shark", -38.7),
    "Freeway": Game("lead the chicken across the road through the traffic, as often as you can", 29.6),
    "Frostbite": Game("jump from floe to floe on the ice and build the igloo", 4334.7),
    "Gopher": Game("protect the carrots: fill the holes and hit the gopher", 2412.5),
    "Gravitar": Game("fly between planets against gravity and destroy their bunkers", 3351.4),
    "Hero": Game("fly down the mine, blast through its walls and save the miner", 30826.4),
    "IceHockey": Game("play ice hockey and shoot the puck into the other goal", 0.9),
    "Jamesbond": Game("drive the car over craters and water and shoot what attacks you", 302.8),
    "Kangaroo": Game("climb up the ladders to your child and punch the monkeys", 3035.0),
    "Krull": Game("fight off the slayers, save the princess and defeat the beast", 2665.5),
    "KungFuMaster": Game("fight your way through the temple with kicks and punches", 22736.3),
    "MontezumaRevenge": Game("explore the pyramid, collect its keys and open its doors", 4753.3),
    "MsPacman": Game("eat all dots in the maze and escape the ghosts, or eat them after a power pill", 6951.6),
    "NameThisGame": Game("guard the treasure from the octopus and the shark and fetch air", 8049.0),
    "Phoenix": Game("shoot the birds in the sky and then their mother ship", 7242.6),
    "Pitfall": Game("run through the jungle, jump over its dangers and find treasures", 6463.7),
    "Pong": Game("keep the ball in play and beat the other paddle", 14.6),
    "PrivateEye": Game("drive through the city, find clues and catch the thieves", 69571.3),
    "Qbert": Game("hop over the cubes of the pyramid until all have changed their colour", 13455.0),
    "Riverraid": Game("fly up the river, shoot ships and bridges and fetch fuel", 17118.0),
    "RoadRunner": Game("run down the road, pick up seeds and escape the coyote", 7845.0),
    "Robotank": Game("drive your tank by its radar and shoot the enemy tanks, also at night", 11.9),
    "Seaquest": Game("dive for the swimmers, shoot sharks and submarines and come up for air", 42054.7),
    "Skiing": Game("ski down the slope through all gates, as fast as you can", -4336.9),
    "Solaris": Game("travel through the galaxy and fight its pirates to reach the planet Solaris", 12326.7),
    "SpaceInvaders": Game("shoot the rows of invaders before they come down to you", 1668.7),
    "StarGunner": Game("fly your starship over the ground and shoot the flying enemies", 10250.0),
    "Surround": Game("draw your line so that the other one has no way left", 6.5),
    "Tennis": Game("play tennis: return the ball and win the points", -8.3),
    "TimePilot": Game("fly through the ages and shoot the planes of each", 5229.2),
    "Tutankham": Game("search the tomb for keys and treasures and shoot its creatures", 167.6),
    "UpNDown": Game("drive the buggy up and down the roads, collect flags and jump on other cars", 11693.2),
    "Venture": Game("enter the rooms of the dungeon and take their treasures", 1187.5),
    "VideoPinball": Game("keep the pinball in play with the flippers and hit the bumpers", 17667.9),
    "WizardOfWor": Game("shoot the monsters in the dungeon of the wizard", 4756.5),
    "YarsRevenge": Game("eat through the shield and destroy the Qotile behind it", 54576.9),
    "Zaxxon": Game("fly into the fortress between its walls, shoot its targets and keep your height", 9173.3),
}
HOLD_UP = ("Freeway",)
# Look-ahead earns clearly more than random actions in these (three standard errors of the difference, 10 episodes).
LOOK_AHEAD = (
    "Assault",
    "Asterix",
    "Boxing",
    "MsPacman",
    "Qbert",
    "Seaquest",
)
