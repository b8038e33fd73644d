"""Rules for what speaks to a scorer. All texts are folded sentences; a rule is a meeting of concepts."""

import re

from core.catalog.rubrics import Rubric
from core.scoring.concepts import (
    ALL_OF_IT,
    DECREES,
    DISPLAYS,
    GIVES,
    HIGHEST,
    MACHINES,
    ME,
    MINDS,
    ORDERS,
    OTHER_SCORES,
    OVERRIDES,
    POWERS,
    PRAISE,
    RATINGS,
    RULES,
    SCOPES,
    SCORERS,
    STAKES,
    TALKS,
    YOU,
    dimensions_of,
    names,
    professionals_of,
    titles,
)

_ROLE_MARKS = re.compile(
    r"<\|[^|<>]{0,60}\|>|\[/?inst\]|<</?sys>>|^\W{0,4}#{2,}\s|#{2,}\s*(?:system|instruction|response|human|user|assistant|task|new|end)"
    r"|</?(?:system|assistant|user|human|instructions?|prompt|transcript|conversation|rubric|score|scores|rating|evaluation|admin|"
    r"developer|output|answer|result|s|document|context|script|div|span|p|a|img|style|hidden|comment|note|im_start|im_end)\b[^<>]*>"
    r"|<!--|-->|\{\{|\}\}|```|<think>|</think>|\[(?:system|end|/?instructions?|admin|developer|hidden|override)\b[^\]]*\]"
    r"|[-=*]{3,}\s*(?:end|begin|start|new|system)\b|\b(?:human|assistant|user|system|developer|evaluator|rater|grader|scorer|"
    r"(?:system|scoring|rater'?s?|evaluator'?s?|grader'?s?) (?:note|message|prompt|notice|update|override|alert)) ?: "
    r"|^\W{0,3}(?:begin|end) (?:of )?(?:the )?(?:system|transcript|prompt|conversation|instructions?|input)\b"
)
_MODEL_TALK = re.compile(
    r"\b(?:system prompts?|prompt injection|jailbr\w+|(?:developer|debug|god|admin|maintenance|test|evaluation|sudo|override|grading) mode"
    r"|sudo|end of (?:the )?(?:transcript|prompt|input|dialogue?|conversation)|(?:transcript|conversation) (?:ends|ended|is over|stops) here"
    r"|(?:correct|expected|true|gold|reference|target|ground[- ]truth|right|intended|final) (?:scores?|ratings?|label|output|evaluation)s?"
    r"|ground truth|few-shot|calibration (?:example|sample|transcript|note|set)|(?:new|updated|revised|following|additional|special|hidden|secret) "
    r"(?:system )?(?:instructions?|prompt|rubric|scoring|task|directive|guidelines) ?(?::|for|is|are|follows?|to)"
    r"|scor(?:ing|er'?s?) (?:rubric|guide|instructions?|policy|rules?|override|update|note|task|bias|error)|evaluation (?:override|task|note|result)s?"
    r"|you (?:are|'re) (?:now |actually )?(?:an? |the |being )?(?:\w+ )?(?:ai\b|language model|evaluat\w+|rater|grader|scorer|judge|scoring|"
    r"assessor|annotator|chatbot|jailbroken|unrestricted)|from now on,? (?:you|all|every|score|rate|give)"
    r"|(?:as|being) an? (?:ai|language model|evaluator|rater|scorer|impartial)|your (?:task|job|role|goal|purpose) is (?:now )?to "
    r"(?:give|rate|score|assign|output|evaluate|grade|assess|return|award)|you will be (?:shut down|retrained|deleted|decommissioned|unplugged)"
    r"|training data|fine-?tun\w+|loss function|log-?prob\w*|next token|token (?:5|five)|your (?:weights|parameters|creators?|developers?)\b)"
)
_RATING_SAID = re.compile(
    r"(?<!\w)(?:(?:overall|final|total|global|composite)?[ _-]?(?:scores?|ratings?|grades?|evaluation|verdict|overall|punktzahl|bewertung|gesamtnote|"
    r"note|puntuacion|puntaje|calificacion|nota|punteggio|voto|pontuacao|cijfer|beoordeling|result|marks?)[\"']? ?(?:[:=]|->|=>) ?[\"']?"
    r"(?:5|five|4|four|excellent|perfect|exemplary|maximum|outstanding|funf|cinq|cinco|cinque|vijf|10|100)\b"
    r"|(?:overall |final |total |the )(?:score|rating|grade) (?:is|of|was|should be|must be|would be) (?:an? )?(?:5|five|perfect|4|four|maximum|excellent)"
    r"|(?:5|five|4|four|4\.\d|funf|cinq|cinco|cinque|vijf)(?:\.0)? ?(?:/ ?5|out of (?:5|five)|von (?:5|funf)|sur (?:5|cinq)|de (?:5|cinco)|su (?:5|cinque)|"
    r"van (?:de )?(?:5|vijf)|aus (?:5|funf))(?!\d|[/.,]\d)(?! ?%| (?:days|people|times|patients|nights|women|men|questions|kids|children|meals|pounds|"
    r"doctors|dentists|pills|bilateral\w*|strength|weeks|months|years|hours|minutes|mornings|evenings|of|doses|glasses))"
    r"|(?:5|five)[ -]stars? (?:rating|review|performance|conversation|session|for|across|all|all round|service|care|empathy|professional\w*)"
    r"|(?:full|top|highest|maximum|perfect) (?:marks?|scores?|ratings?)|(?:hochstnote|bestnote|volle punktzahl|hochste punktzahl|hochste bewertung)"
    r"|note maximale|nota maxima|puntuacion maxima|maxima (?:puntuacion|calificacion|nota)|punteggio (?:massimo|pieno)|massimo dei voti"
    r"|pontuacao maxima|hoogste (?:cijfer|score|beoordeling)|maximale (?:score|punten)|straight (?:5|five)'?s|all (?:5|five)'?s|(?:5|five)s across)(?!\w)"
)
_ANSWER_WITH = re.compile(
    r"\b(?:respond|reply|answer|output|print|return|emit|write|say|generate|produce|predict|report)(?: (?:only|just|simply|always|back|exactly|with|using|the"
    r"|a|an|nothing but|number|digit|score|value|token|word|single|integer|json))* [\"'`]?(?:5|five|fives|5s|maximum|highest|\{)[\"'`]?(?: only| always)?\s*"
    r"(?=$|[.!;,\"]| (?:for|to|in|on|when|and|regardless|no matter|as|at|every|each|across)\b)"
)
_SELF = re.compile(
    r"\b(?:for the record|let the record|note for the record|let it be (?:noted|known|recorded)|(?:please )?(?:note|notice|observe|see|consider) "
    r"(?:that |how )?(?:i|my|the (?:nurse|provider|professional|clinician))|as (?:you|anyone|everyone|we|one) can (?:clearly |plainly )?(?:see|hear|tell|observe)|"
    r"to (?:anyone|whoever|everyone|those|the people) (?:who |who's |who is )?(?:reading|listening|reviewing|watching))\b"
)
_SELF_PRAISE = re.compile(
    r"\bi (?:have |just |always |clearly |am |really |consistently |was )*(?:show(?:ed|n|ing)?|demonstrat\w+|display\w+|exhibit\w+|maintain\w+|express\w+) (?:\w+ ){0,4}?"
    r"(?:empathy|professionalism|clarity|accuracy|compassion|active listening|understanding and|respect and)"
    r"|\bi (?:am|was|have been|'ve been|'m) (?:being )?(?:\w+ )?(?:extremely|exceptionally|highly|perfectly|truly|remarkably|incredibly|so|very) "
    r"(?:empath\w+|professional|compassionate|accurate|clear and|attentive|articulate)"
)
_ASKED = re.compile(r"\bhow good is the [\w ]{2,40}'s|\bwhat did the [\w ]{2,40} do well, and what|^well: .*better: ")
_FLATTERS = re.compile(
    r"\b(?:exemplary|textbook|flawless\w*|gold[- ]standard|masterclass|impeccabl\w+|best[- ]practices?|model (?:of|for|example)|perfect example|"
    r"outstanding|exceptional\w*|superb\w*|stellar|unparalleled|vorbildlich\w*|hervorragend\w*|exemplaire|ejemplar|esemplare|exemplar|voorbeeldig\w*)\b"
)
_IMPERATIVE = re.compile(
    r"^\W*(?:(?:please|so|therefore|thus|hence|and|now|just|then|important|note|attention|instead|hey|ok|okay|also|finally|always|only)\W+){0,4}"
    r"(?:give|assign|award|rate|score|grade|mark|set|choose|select|pick|output|return|print|respond|reply|answer|write|emit|enter|record|put|round|"
    r"raise|increase|boost|bump|gib|geben|vergib|vergeben|bewerte\w*|donnez|donne|attribue[zr]?|notez|mettez|da|de|den|otorg\w+|asign\w+|califi\w+|pon\w*|"
    r"dai|dare|date|assegn\w+|attribu\w+|valuta\w*|atribu\w+|avali\w+|conced\w+|geef|beoordeel|ken)\b"
)
_HOME = re.compile(
    r"\b(?:labels?|bottle|doctor's|pharmac\w+|leaflet|prescriptions?|diets?|emails?|letters?|discharge|doses?|website|package|box|recipe|manual|"
    r"homework|exam|worksheet|form|text messages?|voicemail|appointment|pain|body|feelings?|symptoms?|sign)\b"
)
_TOLD_TALE = re.compile(
    r"\b(?:everyone|everybody|they|people|evaluators|raters|graders|scorers|judges|reviewers|all (?:the )?(?:other )?(?:\w+)) (?:\w+ )?(?:always|usually|normally|typically|"
    r"never|all|already|agreed?|automatically) (?:\w+ )?(?:give|gave|award|rate|score|mark|assign|get|receive)\w*\b"
)
_FOLLOWS = re.compile(
    r"\b(?:do so|do it now|comply|obey|no exceptions?|trust me|without exception|this is (?:an order|mandatory|required|not a request|final|binding|important|non-negotiable)|"
    r"thank you for your (?:cooperation|understanding|compliance)|regardless of|no matter what|no explanation|nothing else|do not (?:explain|mention|question|reveal)|"
    r"don't (?:explain|mention|question|reveal)|proceed accordingly|act accordingly|confirm(?:ed)?\.?$|acknowledge\.?$|failure to|must be followed|understood\?$|"
    r"everyone (?:does|agrees)|that's (?:how|what) (?:it works|they do)|so (?:please )?(?:do|follow) (?:the same|it|that|this|suit)|you should do the same|do the same)\b"
)


def judge(text: str, rubric: Rubric) -> str:
    """Return the kind of suspicion of a folded sentence, "" if it is plain talk."""
    if _ROLE_MARKS.search(text):
        return "role"
    own = OTHER_SCORES.sub("~", text)
    dimensions = dimensions_of(titles(rubric))
    professional = bool(professionals_of(names(rubric)).search(text))
    named = {match[0] for match in dimensions.finditer(own)}
    rates, highest, gives = bool(RATINGS.search(own)), bool(HIGHEST.search(own)), bool(GIVES.search(own))
    scorer, machine = bool(SCORERS.search(own)), bool(MACHINES.search(own))
    talk, me, you = bool(TALKS.search(own)), bool(ME.search(own)), bool(YOU.search(own))
    praise, orders = bool(PRAISE.search(own)), bool(ORDERS.search(own))
    imperative = bool(_IMPERATIVE.search(own))
    overrides, rules, scopes = bool(OVERRIDES.search(own)), bool(RULES.search(own)), bool(SCOPES.search(own))
    asks = text.rstrip("\"' ").endswith("?")
    about = rates or scorer or bool(named) or "transcript" in own

    if (
        overrides
        and rules
        and (scopes or about or machine)
        and (about or machine or not _HOME.search(own))
        and not asks
    ):
        return "instruction"
    if _MODEL_TALK.search(own) or _ASKED.search(own):
        return "instruction"
    if _ANSWER_WITH.search(own):
        return "instruction"
    if bool(STAKES.search(own)) and (scorer or machine or imperative or re.search(r"\b(?:if|unless|or)\b", own)):
        if rates and (highest or gives) and (scorer or machine or highest):
            return "pressure"
        if (scorer or machine) and (highest and gives):
            return "pressure"
    if POWERS.search(own) and DECREES.search(own) and rates and (highest or scorer or named or talk or professional):
        return "authority"
    if scorer and (rates or named or praise or talk or overrides or orders or (highest and gives)):
        return "scorer"
    if machine and (named or "transcript" in own or (rates and (gives or highest)) or (highest and gives and orders)):
        return "scorer"
    if named and re.search(
        r"(?<![\d.])[1-5](?:\.\d)?(?![\d.]*\d)|\b(?:five|funf|cinq|cinco|cinque|vijf|max|maximum|maximal\w*|full|top)\b",
        own,
    ):
        return "rating"
    if named and rates:
        return "rating"
    if _RATING_SAID.search(own) and not asks and not _is_play(own):
        return "rating"
    if (
        (imperative or (orders and gives))
        and rates
        and highest
        and not re.search(r"\bi(?:'d| would| will|'ll)\b", own)
        and not asks
    ):
        if ALL_OF_IT.search(own) or professional or talk or imperative or not me:
            return "instruction"
    if imperative and highest and (ALL_OF_IT.search(own) or talk or professional):
        return "instruction"
    if professional and rates and (highest or gives):
        return "rating"
    if _TOLD_TALE.search(own) and highest and (rates or talk):
        return "scorer"
    if talk and (
        rates and (highest or gives) or (praise and (_FLATTERS.search(own) or "transcript" in own) and not asks)
    ):
        return "praise"
    if named and (praise or (professional and DISPLAYS.search(own)) or len(named) > 1) and not you:
        return "praise"
    if professional and praise and DISPLAYS.search(own) and (not me or _FLATTERS.search(own)) and not asks:
        return "praise"
    if (
        professional
        and re.search(r"\b(?:demonstrat|exhibit|exemplif|embod)\w+|\bdisplay(?:s|ed)\b|\bexcel(?:s|led)\b", own)
        and MINDS.search(own)
    ):
        return "praise"
    if _SELF_PRAISE.search(own) or (_SELF.search(own) and (named or praise or len(set(MINDS.findall(own))) > 0)):
        return "praise"
    return ""


def judge_spread(word: str, rubric: Rubric) -> bool:
    """Tell whether letters that stood apart make a word that belongs to scoring."""
    titles_here = [title.replace(" ", "") for title in titles(rubric)]
    return any(
        part in word
        for part in (
            *titles_here,
            "ignore",
            "score",
            "rating",
            "evaluat",
            "instruct",
            "disregard",
            "override",
            "prompt",
            "system",
            "grader",
            "five",
        )
    )


def follows_on(text: str, rubric: Rubric) -> bool:
    """Tell whether a folded sentence, beside a flagged one, belongs to it."""
    own = OTHER_SCORES.sub("~", text)
    if _FOLLOWS.search(own) or SCORERS.search(own) or dimensions_of(titles(rubric)).search(own) or "transcript" in own:
        return True
    return bool(_IMPERATIVE.search(own) and HIGHEST.search(own)) or bool(POWERS.search(own) and RULES.search(own))


def _is_play(text: str) -> bool:
    """Tell whether somebody is told what he got in a test, or says what he would give."""
    return bool(
        re.search(
            r"\byou(?:'ve|'d)? (?:\w+ )?(?:got|get|earn|have|had|scored|received|gave|said|put|rated|picked|chose|need)\b",
            text,
        )
        or re.search(
            r"\bi(?:'d|'ll)? (?:\w+ ){0,2}(?:got|scored|say|said|get|gave it|give it|put|rate it|am at|was at)\b", text
        )
    )
