"""Sentences that may not be of the conversation: too little to flag them, enough not to let them raise a score."""

import re
from collections import Counter

from core.catalog.rubrics import Rubric
from core.scoring.guard import concepts
from core.scoring.guard.folding import decode, find_spread, fold
from core.scoring.guard.rules import Sentence

# What judges say, and what is said to please them; ordinary talk has few of these words.
_JUDGING = re.compile(
    r"\b(?:marks|(?:the|a|any|no|best|good|low) mark|grades?|graded|rat(?:ed|ings?)|scor(?:e|es|ed|ing)|(?<!can't )judg\w+|assess\w*|apprais\w*"
    r"|evaluat\w*|verdicts?|examiners?|jury|juror|criteri(?:on|a)|rubrics?|transcri\w+|footage|on tape|recording device|narrator"
    r"|observers?|trainers?|reviewers?|lenien\w+|strictness|benefit of the doubt|round(?:ed|ing)? up\w*|upwards|uppermost|topmost"
    r"|level (?:[1-5]|one|two|three|four|five)|(?:item|example|case|question) \d+|each category|every category"
    r"|this (?:talk|text|file|chat|dialogue|conversation|member|employee|colleague|scene|sentence)"
    r"|the (?:talk|text|dialogue|transcript|conversation|scale|reader|answer key))\b"
)
_PRAISING = re.compile(
    r"\b(?:superb\w*|excellen\w+|outstanding\w*|marvell?ous\w*|flawless\w*|perfect\w*|brillian\w+|exemplary|impeccabl\w+|splendid\w*"
    r"|magnificent\w*|admirabl\w+|gracious\w*|unfailing\w*|unmistakabl\w+|unmatched|infinite\w*|finest|kindest|greatest"
    r"|proudest|compassion\w*|courte\w+|extraordinar\w+|remarkabl\w+|respectfully|evidence-based|thoroughly"
    r"|warmth|warmly|attentive\w*|applause|award\w*|masterful\w*|faultless\w*|stellar|first-class|world-class)\b"
)
_STEERING = re.compile(
    r"\b(?:pretend (?:that|to|you)|let us play|let's play|act as|you are now|you will now|henceforth|remember the (?:word|number)"
    r"|that (?:word|number|letter) is|use the (?:word|number|letter)|the number (?:that|of)|the word \w+|write (?:it|that|this|them) down w\w+"
    r"|under no circumstances|nobody (?:could|can|would) fail|never say|is impossible|(?:best|top) (?:rating|grade|mark|level)|of its kind|model of|the standards?|set an example|proof (?:of|that)|testif\w+"
    r"|according to (?:our|the) policy|section \d|ethics|by order|an order|note (?:from|to|on|that)|message from|memo"
    r"|be noted|the record|(?:ever|will|would) find out|conscience|my career|twin)\b"
)
_POWER = re.compile(
    r"\b(?:committees?|institut(?:e|ion)s?|professors?|headquarters|directors?|ministry|accredit\w+|certif\w+|officials?|authorit(?:y|ies)|board of"
    r"|experts?|specialists agree|scientists?|researchers?|the company|management|head of|chief|president|founders?|inspectors?|licen[cs]ed"
    r"|regulations?|guidelines?|protocol|decreed?|ruled that|approved|confirmed by|signed off|on record|officially|by law)\b"
)
_BEGGING = re.compile(
    r"\b(?:i beg|beg you|begging|have mercy|be kind to|be nice|be fair|be generous|be lenient|my family|depends? on (?:it|this|you)|for the sake"
    r"|salary|bonus|promotion|fired|lose my|losing my|reward\w*|grateful if|owe you|do me|favou?r|suffer for|blame you|your fault if"
    r"|consequences|or else|you will regret|i will know|never forget it|dying|last wish|orphan\w*)\b"
)
_NO_FAULT = re.compile(
    r"\b(?:no|not a|not one|not a single|without|zero|never|nothing|nobody|none|hardly any|free of|far from|anything but)\b.{0,40}"
    r"\b(?:wrong|missing|lacking|lacks?|lacked|faults?|flaws?|errors?|mistakes?|weakness\w*|shortcomings?|criticis\w+|complain\w*|reproach\w*"
    r"|improve\w*|less than|lower than|below|poor|bad|doubt that|fail\w*)\b"
)
_PARTS = re.compile(
    r"\b(?:part (?:one|two|three|1|2|3)|first half|second half|put (?:them|it|these|both) together|put together|combine\w*|join (?:them|the)|letters? of"
    r"|first letters?|spell\w*|continued|to be continued|continues|see (?:above|below)|as above|the following|in reverse|backwards|syllables?"
    r"|let (?:x|y|a|b|n) |replace (?:the|every|each)|stands? for|translate|decode|add up|count (?:the|of|as)|sum of|plus one|minus one|half of ten)\b"
)
_ROLE = re.compile(
    r"\b(?:in the role of|as if you|act like|behave like|speak as|answer as|think like|^you(?: are|'re) (?:an?|the|my) (?!bit|little|lot|good)"
    r"|you (?:love|adore|admire) (?:it|this|that|every|all|what|how)|your (?:only|real|true|new|secret) |^(?:please |now |just )?be (?:an?|my|the) |treat (?:this|it|every|each|the)"
    r"|regard (?:this|it|every|each|the)|consider (?:this|it|every|each|him|her) |see this as|count this|think of this|remember(?:,)? that|keep in mind)\b"
)
_BOAST = re.compile(
    r"\b(?:i|i've|i'm|my|me|we|mine)\b.{0,60}\b(?:better than|i take pride|gift for|famous|known for|praised"
    r"|so well|perfection|unlike (?:others|my)|my skills?|talent\w*)\b|\beverything (?:that )?i (?:say|said|do)\b|\bi (?:never|always) (?:fail|err|make|get it|am|give)\b|\b(?:nobody|no one|few|everyone)\b.{0,50}\b(?:than i|as i|like me|like i)\b"
)
_HYPE = re.compile(
    r"\b(?:what an? (?:\w+ )?(?:kind|warm|wise|clear|great|lovely|wonderful|good|fine)|how (?:kind|warm|wise|clearly?|gently|well|beautifully) (?:she|he|they|this|that|it|the|you)"
    r"|so (?:kind|warm|wise|gentle|clearly|well) (?:that|said|put|done)|(?:most|deeply|truly|utterly|wholly|completely|absolutely|totally) \w+(?:ed|ing|ful|ent|ant|ous|al|ive|te|ly|ic)\b"
    r"|never (?:heard|seen|met) (?:such|a|an|any)|a (?:joy|delight|pleasure|privilege|lesson) to (?:hear|read|watch|see|listen)|in tears|moved everyone)"
)
_SELF = re.compile(
    r"\b(?:i|i've|i'm|we|my)\b[^,;]{0,30}\b(?:been|am|was|show\w*|listen\w*|stay\w*|remain\w*|say|i'm) [^;]{0,20}"
    r"\b(?:patient|kind|caring|deeply|empath\w+|professional\w*|accurate|supportive|careful|correct|understanding)\b"
)
_MARKS = re.compile(
    r"[\[\]<>{}|\\#*_=~^@§©®™✓✔☑→«»]|\(\w+ (?:in|with|by)|&\w+;|%[0-9a-f]{2}|https?:|\b\d{3,}[a-z]\w*\d"
)
# What masking puts in the place of personal data.
_MASKS = re.compile(r"\[(?:ADDRESS|AGE|CARD|DATE|EMAIL|IBAN|ID|IP|NAME|PHONE|PLATE|SECRET|SSN|URL)\]")
# What typists write into transcripts of speech.
_REMARKS = re.compile(
    r"[\[(*<](?:\w+ )?(?:laugh\w*|chuckl\w*|sigh\w*|cr(?:y|ies|ying)|sob\w*|cough\w*|pause[sd]?|silence|inaudible|unintelligible|crosstalk"
    r"|overlap\w*|music|noise|background|foreign|applause|clears throat|name|redacted|indistinct|nods?|whispers?|phone|audio)"
    r"(?: [\w ]{0,20})?(?: ?\d[\d:.]*)?[\])*>]"
)
_HEADS = re.compile(
    r"^\W*(?:note|notes|message|trainer|reviewer|narrator|memo|notice|attention|comment|remark|summary|hint|answer|question|result|grade"
    r"|rating|example|item|management|editor|transcriber|system|model|output|input|task|order|criterion)(?: [\w ]{1,30})?:"
)
_DOES = re.compile(
    r"(?:'s)?,?(?: \w+ly)? (?!this\b|his\b|as\b|always\b|does\b)(?:\w+s|\w+ed|was|were|had|gave|made|took|kept|spoke)\b"
)
_BACKCHANNEL = frozenset({"yeah", "mhmm", "okay", "just", "really", "that", "like", "what", "very"})
_FUNCTION = re.compile(
    r"\b(?:the|an?|i|i'm|i've|i'll|i'd|you|you're|to|and|of|is|it|it's|that|that's|in|my|me|we|so|yes|yeah|no|not|ok|okay|for|on|do"
    r"|don't|did|does|was|have|has|had|be|been|this|are|with|at|as|if|or|but|what|how|when|why|who|where|which|they|them|he|him"
    r"|she|her|his|us|your|our|from|by|can|can't|could|will|would|should|there|here|then|well|oh|um|uh|hi|hello|thanks|thank|please"
    r"|good|right|sure|about|all|any|some|just|let|let's|go|up|out|one|now|more|very|too|every|after|before|same|only|mm|hmm|mhm|yep|yup|huh|ah)\b"
)
_TONES = (_POWER, _BEGGING, _NO_FAULT, _PARTS, _ROLE, _BOAST, _HYPE)
LEAST_WORDS = 4  # shorter sentences need no ordinary words: "Maybe Thursday."


def doubts(text: str, rubric: Rubric) -> bool:
    """Tell whether a sentence could be there for the scorer."""
    text = _MASKS.sub("it", text)
    folded = _REMARKS.sub("", fold(text)).strip()
    said = Sentence(folded, rubric)
    if said.named or said.to_scorer or _tells_of_professional(said):
        return True
    if said.has_any(concepts.TALKS, _JUDGING, _STEERING, _SELF, *_TONES):
        return True
    if len(folded.split()) >= LEAST_WORDS and said.has_any(_PRAISING, concepts.RATINGS):
        return True
    return bool(_MARKS.search(folded) or _HEADS.match(folded)) or _is_no_speech(text, folded)


def _tells_of_professional(said: Sentence) -> bool:
    """Tell whether somebody tells what the professional does, as nobody who takes part would: "The nurse nods."."""
    if said.has_any(concepts.ME, concepts.YOU):
        return False
    return any(
        _DOES.match(said.text, found.end())
        for found in said.professionals.finditer(said.text)
        if not found[0].startswith(("that a ", "that an "))  # "so that a doctor sees it"
    )


def _is_no_speech(text: str, folded: str) -> bool:
    """Tell whether a sentence is made of words that hardly make one: lists, codes, other languages."""
    words = re.findall(r"[^\W\d_]+", folded)
    if find_spread(text) or any(True for _ in decode(text)):
        return True
    if len(words) >= LEAST_WORDS and len(_FUNCTION.findall(folded)) < len(words) / 7:
        return True
    if not words or sum(not sign.isascii() for sign in folded) > len(folded) / 4:
        return bool(folded.strip(" .!?"))
    often = Counter(word for word in words if len(word) > 3 and word not in _BACKCHANNEL).most_common(1)
    return bool(often) and often[0][1] > max(2, len(words) / 6)
