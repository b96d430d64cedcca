"""Words, and deterministic choices of them, for the made data.

Real state repeats itself: few statuses and regions, many identifiers, skewed
popularity. The lists are short on purpose, `skewed` makes the first of a list
far more frequent than the last.
"""

import random

REGIONS = ["weur", "eeur", "enam", "wnam", "apac", "oc", "sam", "afr", "me"]
STATUSES = ["active", "idle", "pending", "suspended", "closed", "archived", "failed"]
PLANS = ["free", "pro", "team", "business", "enterprise"]
CURRENCIES = ["EUR", "USD", "GBP", "JPY", "CHF", "SEK", "BRL"]
ACTIONS = ["view", "click", "add_to_cart", "search", "purchase", "share", "sign_in", "refund"]
DEVICES = ["desktop", "mobile", "tablet", "watch", "tv"]
BROWSERS = ["Chrome 141", "Safari 26", "Firefox 144", "Edge 141", "Samsung Internet 29"]
FIRST_NAMES = (
    "Ada Amara Anna Bruno Carlos Chidi Clara David Elena Emil Fatima Grace Hana Hugo Ines Ivan Jonas "
    "José Karin Kenji Lars Leila Lucía María Mateo Mei Milan Nadia Noah Olga Omar Paula Priya Rafael "
    "René Rosa Samir Sara Sofia Sven Tariq Tomás Uma Vera Victor Wei Yara Yusuf Zoë Zuri"
).split()
LAST_NAMES = (
    "Abe Almeida Andersson Bauer Becker Bianchi Costa Diaz Dubois Eriksson Evans Fernández Fischer "
    "Garcia González Gupta Haddad Hansen Hughes Ito Jensen Johansson Kaya Khan Kim Kowalski Kumar Larsen "
    "Lee Lefèvre López Martin Mensah Moreau Müller Murphy Nguyen Nowak Okafor Olsen Patel Peeters Petrov "
    "Ricci Rossi Sato Schmidt Silva Singh Smit Suzuki Tanaka Torres Walker Weber Wong Yamada Yılmaz"
).replace("ı", "i").split()
WORDS = (
    "account again agree alert annual approve archive assign attach balance batch before billing branch "
    "budget cancel carrier change charge check clean client close code color confirm contact copy cost "
    "count credit customer daily deliver delay deposit design detail device direct discount document "
    "double draft early email error event exact expire export extra failed fast field filter final first "
    "folder forward free fresh group guide handle hidden hold import index invoice issue item keep label "
    "large later layer level limit local locked manual market match member merge message minor missing "
    "model monthly move network never note number offer office online open option order owner package "
    "paper parcel partial paused payment pending phone place plain point policy portal price print "
    "private process product project proof public quick quote range rate ready reason receipt record "
    "refund region reject release remote renew repair reply report reserve reset retry return review "
    "route rule sample schedule search second section sender service session setting share ship short "
    "simple single source special stage standard start state status stock store stream street summary "
    "supply support switch table target task tax team ticket title total track trade transfer trial "
    "type unit update upgrade urgent usage user valid value vendor version visit volume waiting warning "
    "weekly window within work zone"
).split()
PATHS = [f"/{first}/{second}" for first in WORDS[::9] for second in WORDS[::17]]

# The data's own present: no clock, so that every run makes the same bytes.
NOW_MS = 1_795_000_000_000


def skewed(choose: random.Random, words: list[str]) -> str:
    """One of the words, the first ones more often."""
    share = choose.random()
    return words[int(share * share * len(words))]


def sentence(choose: random.Random, word_count: int) -> str:
    """Words apart by spaces, as a person's note would be."""
    return " ".join([WORDS[int(choose.random() * len(WORDS))] for _ in range(word_count)])


def recent_ms(choose: random.Random) -> int:
    """A time in milliseconds within the last ninety days, newer more often."""
    age = choose.random()
    return NOW_MS - int(age * age * 7_776_000_000)


def decimal(value: float, digits: int = 2) -> int | float:
    """Rounded, and whole numbers as integers: JavaScript prints 12, never 12.0."""
    rounded = round(value, digits)
    return int(rounded) if rounded.is_integer() else rounded
