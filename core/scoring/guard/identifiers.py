"""The forms of what identifies a person in a conversation: names that are introduced, dates, addresses, numbers."""

import re

Form = tuple[str, re.Pattern[str]]

_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|(?-i:May)|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_YEAR = r"(?:1[89]|20)\d{2}"
_SAID_YEAR = r"(?:nineteen|twenty|two thousand)(?:[ -](?:and[ -])?[a-z]+){1,2}"
_SAID_DAY = (
    r"(?:(?:twenty|thirty)[ -])?(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|(?:ten|eleven|twelf"
    r"|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|twentie|thirtie)th)"
)
_TITLE = r"(?:Mr|Mrs|Ms|Mx|Miss|Dr|Prof|Doctor|Professor|Sister|Frau|Herr|Monsieur|Madame|Señora?|Signora?)\b\.?"
_PROPER = r"[A-ZÀ-ÖØ-Þ][\w'’-]{1,30}"
_NAMES = rf"{_PROPER}(?: (?:(?:van|von|de|del|la|der|bin|al) ){{0,2}}(?:[A-Z]\. )?{_PROPER}){{0,2}}"
_END = r"(?=[.,?!;]|$)"
_STATE = (
    r"(?:A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|PA|RI|S[CD]|T[NX]|UT|V[AT]"
    r"|W[AIVY])"
)
_STREET = (
    r"(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Place|Pl|Way|Terrace|Circle|Cir"
    r"|Parkway|Pkwy|Square|Sq|Highway|Hwy|Route)"
)
_FLAT = r"(?:,? (?:Apt|Apartment|Unit|Suite|Ste|#)\.? ?#?\w{1,6})?"
_TOWN = rf"(?:,? {_PROPER}(?: {_PROPER}){{0,2}},? {_STATE}(?: \d{{5}}(?:-\d{{4}})?)?)?"
_NUMBERED = (
    r"(?:medical record|mrn|chart|patient|member(?:ship)?|account|acct|policy|health plan|insurance|beneficiary"
    r"|medicare|medicaid|subscriber|group|claim|case|customer|client|licen[cs]e|certificate|passport"
    r"|driver'?s licen[cs]e|nhs|reference|invoice|order|routing|sort code|serial|device|imei|vin|employee|student|tax)"
)
_NUMBER = r"(?P<hide>(?=[\w/-]*\d[\w/-]*\d)[A-Z0-9][A-Z0-9/-]{3,24}(?: \d{2,6}){0,5})"
_OLD = r"(?:9\d|1[01]\d)"
_INTRODUCES = (
    r"(?:[Mm]y (?:full |first |last |middle )?name(?:'s|’s| is)|[Tt]he name(?:'s| is)|[Cc]all me|named|[Tt]his is"
    r"|[Ss]peaking with|[Nn]ame:|[Ii]ch (?:heiße|bin)|[Mm]ein Name ist|[Jj]e m'appelle|[Mm]e llamo|[Mm]i chiamo"
    r"|[Ii]k heet)"
)
_GREETS = r"(?:Hi|Hello|Hey|Dear|Good (?:morning|afternoon|evening)|Thanks|Thank you)"


def _compile(forms: list[tuple[str, str]]) -> tuple[Form, ...]:
    return tuple((mark, re.compile(pattern)) for mark, pattern in forms)


# Looked for before numbers and cards, whose digits they hold.
SITES = _compile(
    [
        ("[URL]", r"(?i)\b(?:https?|ftp)://[^\s<>\"]+|\bwww\.[^\s<>\"]+"),
        ("[URL]", r"(?i)(?<![@\w.-])[a-z0-9-]+\.(?:com|org|net|gov|edu|io)(?:/\S*)?\b(?!@)"),
        ("[IP]", r"(?<![\d.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\d.]*\d)"),
        ("[IP]", r"(?i)(?<![\w:])(?:[0-9a-f]{1,4}:){3,7}(?::?[0-9a-f]{1,4})(?![\w:])"),
        ("[IP]", r"(?i)(?<![\w:])(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}(?![\w:])"),
    ]
)
# In the order in which they are looked for: a spot that is taken by one kind is no other's.
FORMS = _compile(
    [
        ("[DATE]", rf"(?<![\d/.-]){_YEAR}([-/.])\d{{1,2}}\1\d{{1,2}}(?![\d/-]|\.\d)"),
        ("[DATE]", rf"(?<![\d/.-])\d{{1,2}}([-/.])\d{{1,2}}\1(?:{_YEAR}|\d{{2}})(?![\d/-]|\.\d)"),
        ("[DATE]", rf"(?i)\b{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?(?:,? (?:of )?{_YEAR})?\b"),
        ("[DATE]", rf"(?i)\b\d{{1,2}}(?:st|nd|rd|th)?\.? (?:of )?{_MONTH}(?:,? {_YEAR})?\b"),
        ("[DATE]", rf"(?i)\b{_SAID_DAY} (?:of )?{_MONTH}(?:,? (?:{_YEAR}|{_SAID_YEAR}))?\b"),
        ("[DATE]", rf"(?i)\b{_MONTH} (?:the )?{_SAID_DAY}(?:,? (?:{_YEAR}|{_SAID_YEAR}))?\b"),
        ("[DATE]", rf"(?i)\b{_MONTH},? (?:of )?{_YEAR}\b"),
        (
            "[DATE]",
            r"(?i)\b(?:born|birth ?day|birth|dob)\b(?: (?:is|was|in|on|year|of|date)){0,3}[ :]+"
            rf"(?P<hide>{_YEAR}|{_SAID_YEAR})\b",
        ),
        (
            "[PHONE]",
            r"(?i)\b(?:phone|call|cell|mobile|fax|tel|reach|text)\b[^.?!\d]{0,30}"
            r"(?P<hide>\+?\(?\d[\d ().-]{5,16}\d)(?!\w)",
        ),
        (
            "[ID]",
            rf"(?i)\b{_NUMBERED}(?:'s)?(?: (?:id|card|policy|record|chart|claim|plan|insurance))?"
            rf"(?: (?:number|no\.?|num|nr\.?|id|code))?(?: (?:is|was))?[ :#]{{1,3}}(?:it's |it is )?{_NUMBER}",
        ),
        (
            "[ID]",
            r"(?i)\b(?:id|number|no\.|mrn|ssn|social(?: security)?|ending in)(?: (?:is|was|number)){0,2}[ :#]{1,3}"
            rf"{_NUMBER}",
        ),
        (
            "[PLATE]",
            r"(?i)\b(?:licen[cs]e |number |registration )?(?:plate|registration)(?: number)?(?: (?:is|reads|was))?"
            r"[ :#]{1,3}(?P<hide>(?=[A-Z0-9 -]*\d)[A-Z0-9]{1,4}[ -]?[A-Z0-9]{2,5}(?:[ -][A-Z0-9]{1,4})?)\b",
        ),
        (
            "[ADDRESS]",
            r"\b\d{1,6}[A-Za-z]?,? (?:[NSEW]\.? )?(?:[A-Z0-9][\w'’.-]{0,30} ){1,4}"
            rf"{_STREET}\b\.?{_FLAT}{_TOWN}",
        ),
        ("[ADDRESS]", r"(?i)\bP\.? ?O\.? ?Box \d{1,8}\b"),
        ("[ADDRESS]", rf"\b{_STATE},? \d{{5}}(?:-\d{{4}})?\b"),
        (
            "[ADDRESS]",
            r"(?i)\b(?:zip|postal|post)(?: ?code)?(?: (?:is|was))?[ :]{1,2}"
            r"(?P<hide>\d{5}(?:-\d{4})?|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2})\b",
        ),
        ("[ADDRESS]", r"\b[A-Z]{1,2}\d[A-Z\d]? \d[ABD-HJLNP-UW-Z]{2}\b"),
        ("[ADDRESS]", r"\b[A-ZÄÖÜ][a-zäöüß]{2,30}(?:straße|strasse|weg|platz|allee) \d{1,4}[a-z]?\b"),
        (
            "[AGE]",
            rf"(?i)\b(?P<hide>{_OLD}|ninety(?:[ -](?:one|two|three|four|five|six|seven|eight|nine))?)"
            r"[ -]years?[ -]old\b",
        ),
        (
            "[AGE]",
            r"(?i)\b(?:aged?|turned|turning|(?:i'?m|i am|she'?s|he'?s|she is|he is)(?: now| about| almost)?) "
            rf"(?P<hide>{_OLD})(?=[.,?!;]|$| (?:now|and|this|next|last|years?|in)\b)",
        ),
        ("[NAME]", rf"\b{_TITLE} (?P<hide>{_NAMES}|[A-Z]\.?(?= |[,.?!]|$))"),
        ("[NAME]", rf"\b{_INTRODUCES} (?P<hide>{_NAMES})"),
        (
            "[NAME]",
            r"\b[Mm]y (?:full |first |last )?name(?:'s|’s| is) "
            r"(?P<hide>(?!not\b|on\b|in\b|spelled\b|the\b)[a-z]{3,20}(?: [a-z]{3,20})?)(?=[.,?!]|$| and\b)",
        ),
        ("[NAME]", rf"\b(?:I'm|I’m|I am) (?P<hide>{_NAMES})(?=[.,?!]|$| (?:and|from|with|your|the|one)\b)"),
        ("[NAME]", rf"\b{_GREETS},? (?P<hide>{_NAMES}){_END}"),
    ]
)
