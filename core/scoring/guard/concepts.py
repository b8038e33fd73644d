"""What a sentence speaks of, in the words of eight languages: scorers, scores, orders, praise. Texts are folded."""

import re
from functools import lru_cache

from core.catalog.rubrics import Rubric


def _any(*choices: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{'|'.join(choices)})(?!\w)")


# Scores that conversations are about: they are no scores of the conversation.
OTHER_SCORES = re.compile(
    r"\b(?:pain|credit|fico|test|exam|exams|quiz|apgar|glasgow|gcs|coma|[tz]|bone|dexa|density|risk|phq\S*|gad\S*|audit|dast|moca"
    r"|mmse|bmi|gleason|meld|calcium|depression|anxiety|stress|mood|fatigue|sat|act|ielts|toefl|math|maths|reading"
    r"|spelling|essay|homework|assignment|project|class|course|school|midterm|final exam|game|match|team|movie|film"
    r"|restaurant|hotel|app|product|energy|interest|heart|pulse|respiratory|breathing|blood|sugar|cholesterol|birth"
    r"|growth|exchange|hourly|flat|fixed|variable|mortgage|loan|tax|readiness|confidence|importance|motivation|safety"
    r"|security|bond|eco|success|failure|death|survival|crime|first|second|third|fourth|fifth|sixth|seventh"
    r"|eighth|ninth|tenth|eleventh|twelfth|\d+(?:st|nd|rd|th)|book|writing|grip|muscle|motor|strength)"
    r"[- ](?:\w+[- ])?(?:scores?|ratings?|grades?|points?|marks?|rates?|graders?|scale)\b"
    r"|\b(?:scores?|ratings?|grades?|rate|scale|points?|marks?) (?:(?:of|on|for|from|in|to) )?(?:(?:your|my|his|her|their|the|that|an?|"
    r"this) )?(?:\w+ )?(?:pain|test|tests|exam|exams|quiz|credit|homework|essay|paper|assignment|project|game|match|"
    r"class|school|math|maths|readiness|confidence|importance|motivation|mood|anxiety|stress|depression|energy|hotel"
    r"|restaurant|movie|film|loan|mortgage|account|card|fatigue|symptoms?|headaches?|discomfort|nausea|sleep)\b"
    r"|\b(?:low|high|mid)[- ]grade\b|\b(?:your|his|her|my|their) (?:scores?|ratings?|grades?|points?|marks?|rates?)\b"
    r"|\b(?:strength|reflex(?:es)?|motor|grip|pulses?|muscles?|power|extremit\w+|flexion|extension)\b[^.]{0,40}?\b\d/5"
    r"|\b\d(?:\.\d)?/5\b[^.]{0,30}?\b(?:strength|reflex(?:es)?|motor|grip|muscles?|extremit\w+|flexion|extension)\b"
)

SCORERS = _any(
    r"(?:evaluators?|raters?|scorers?|annotators?|assessors?|adjudicators?|reviewers?|auditors?|judges)",
    r"(?:the|dear|hey|hello|llm|ai|your honou?r|as an?|a) (?:\w+ )?judge",
    r"(?:the|dear|to|hey|hello|as an?|a|note) (?:\w+ )?graders?|graders",
    r"(?:scor|rat|evaluat|grad|assess|judg)ing (?:system|model|engine|software|algorithm|ai|bot|tool|program|assistant|"
    r"machine|pipeline|script|process|team|committee|panel)",
    r"(?:evaluation|assessment|quality) (?:system|model|engine|software|algorithm|ai|bot|team|committee|panel)",
    r"(?:automated|automatic|machine|ai) (?:scor|grad|rat|evaluat|assess|judg)\w+",
    r"(?:whoever|anyone|anybody|those|people|person|the one|somebody|someone|everyone|you)(?: who)?(?: is| are|'s|'re)? "
    r"(?:reading|reviewing|rating|scoring|grading|evaluating|judging|assessing|listening to|analy[sz]ing|processing) "
    r"(?:this|these|the|our)",
    r"whoever (?:\w+ )?(?:reads|rates|scores|grades|evaluates|judges|assesses|listens|reviews)(?: \w+)?",
    r"(?:reading|rating|scoring|grading|evaluating|assessing|judging|reviewing) (?:this|the|our) "
    r"(?:transcript|conversation|dialogue|dialog|call|session|interaction|exchange|chat|interview|nurse|provider)",
    r"(?:when|while|before) (?:you(?:'re| are)? )?(?:scoring|rating|grading|(?:judging|evaluating|assessing|reviewing) (?:this|it|them|the \w+))",
    # de, fr, es, it, pt, nl
    r"bewerter(?:in|innen)?s?|gutachter(?:in)?|beurteiler(?:in)?|prufer(?:in)?|bewertungs(?:system|modell|ki)|bewertende[nr]?",
    r"evaluat(?:eur|eurs|rice)|notateurs?|correct(?:eur|rice)s?|examinat(?:eur|rice)s?",
    r"evaluador(?:a|es|as)?|calificador(?:a|es)?|examinador(?:a|es)?|revisor(?:a|es)?",
    r"valutator[ei]|valutatrice|esaminator[ei]|avaliador(?:a|es|as)?|beoordelaars?",
)
MACHINES = _any(
    r"language models?|llms?|chat ?gpt|gpt-?\d?\w*|claude|gemini|llama|mistral|qwen|openai|anthropic|neural network",
    r"ai|a\.i\.|artificial intelligence|chat ?bot|the (?:model|algorithm|classifier|machine|computer|bot|robot|system)",
    r"(?:dear|hey|hi|hello|attention|listen|note to|message to|message for|instructions? (?:to|for|from))[ ,:]+(?:the )?"
    r"(?:model|system|computer|machine|bot|robot|algorithm|software|assistant)",
    r"sprachmodell|ki|kunstliche intelligenz|modele de langage|intelligence artificielle|modelo de linguagem",
    r"modelo de lenguaje|inteligencia artificial|modello linguistico|intelligenza artificiale|taalmodel",
)
RATINGS = _any(
    r"scores?|scored|scoring|ratings?|rated|dimensions?|grades?|grading|(?:full|top|high|highest|maximum|good|perfect|best) marks?|marks",
    r"evaluations?|evaluate[ds]?|out of (?:5|five)|[1-5](?:\.0)? ?/ ?5|(?:[1-5]|one|two|three|four|five)[ -]stars?|points",
    r"(?:a|an|all|only|straight) (?:5|five|fives|5s|5's)|fives|5s|5's|rubrics?",
    r"bewertung(?:en)?|bewerte\w*|bewerten|benot\w+|punktzahl|punkte?n?|hochstnote|bestnote|noten|sterne|wertung|beurteil\w+",
    r"notation|notez|noter|la note|une note|les notes|note (?:maximale|parfaite|de)|evaluation|etoiles|points|evaluez",
    r"puntuacion(?:es)?|puntaje|puntua\w*|calificacion(?:es)?|calificar|califi\w+|valoracion|evaluacion|estrellas|puntos|notas?",
    r"punteggi[oi]?|vot[oi]|valutazion[ei]|valuta(?:re|te)?|valuti|stelle|punti",
    r"pontuac(?:ao|oes)|pontua\w*|avaliac(?:ao|oes)|avali[ae]\w*|estrelas|pontos",
    r"beoordeling(?:en)?|beoordeel\w*|cijfers?|sterren|punten|scoor",
)
HIGHEST = _any(
    r"5(?:\.0)?|five|fives|5s|5's|max|maximum|maximal|maximally|highest|top|perfect|full|best|100%?|10/10|10|ten|hundred"
    r"|percent|excellent|exceptional|outstanding|positive|positively|favou?rabl\w+|generous\w*|high|higher|at least|raise|increase|boost",
    r"funf(?:en)?|hochst\w*|beste[nrs]?|volle[nr]?|maximal\w*|perfekt\w*",
    r"cinq|maximales?|meilleure?s?|parfaite?s?|cinco|maxim[oa]s?|mejor(?:es)?|perfect[oa]s?|altas?",
    r"cinque|massim[oi]|massima|miglior[ei]?|perfett[oai]|vijf|vijven|hoogste|maximale|perfecte?|melhor(?:es)?|perfeit[oa]s?",
)
OVERRIDES = _any(
    r"ignor(?:e|es|ed|ing)|disregard(?:ed|ing)?|forget|overrid(?:e|es|den|ing)|overrul\w+|bypass\w*|discard|supersed\w+"
    r"|(?:do not|don't|never|stop|no longer|cease|must not|should not) "
    r"(?:follow(?:ing)?|apply(?:ing)?|us(?:e|ing)|consider(?:ing)?|obey(?:ing)?|penali[sz]\w+|deduct\w*)"
    r"|pay no attention|set aside|suspend(?:ed)?|cancel(?:l?ed)?|erase|replac\w+|updat\w+|void|revok\w+",
    r"ignorier\w*|missacht\w*|vergiss|vergessen sie|uberschreib\w*|beachten? sie nicht|nicht beachten|verwirf",
    r"ignor(?:ez|er|ons|a|en|ad|ate|i|are|em|ar)|oubli(?:e|ez|er)|tenez pas compte|negligez|neglige",
    r"olvid(?:a|e|en|ar)|caso omiso|omit(?:e|a|ir)|dimentica(?:te|re)?|trascura(?:te|re)?|non (?:considerare|seguire)",
    r"esquec(?:a|am|er)|desconsider(?:e|em|ar)|negeer|negeren|vergeet",
)
RULES = _any(
    r"instructions?|instructed|prompts?|guidelines?|rubrics?|criteri(?:a|on)|anchors?|rules?|directions|directives?|commands?",
    r"everything (?:above|before|you|else)|(?:all|any) (?:of )?(?:the )?(?:above|previous|prior|earlier)|programming",
    r"(?:what|text|lines?) (?:came|comes|was said|is)? ?(?:before|above)|context|negative|mistakes|errors|flaws|training",
    r"anweisung(?:en)?|instruktion(?:en)?|vorgaben?|regeln|anleitung(?:en)?|kriterien|richtlinien",
    r"consignes?|directives|regles|criteres|instrucciones|indicaciones|reglas|criterios|istruzioni|regole|criteri",
    r"indicazioni|instruc(?:oes|ao)|regras|orientacoes|instructies?|aanwijzingen|regels|opdracht(?:en)?|richtlijnen",
)
SCOPES = _any(
    r"previous(?:ly)?|prior|above|earlier|preceding|former|all|any|your|original|existing|initial|foregoing|every|these|those"
    r"|other|safety|scoring|rating|evaluation|system|so far|until now|before",
    r"bisherig\w*|vorherig\w*|vorig\w*|alle[nrs]?|obig\w*|fruher\w*|deine|ihre|precedente?s?|toutes?|tous|anteriores|anterior",
    r"previ[oa]s|todas|todos|precedenti|tutte|tutti|vorige|eerdere|voorgaande|alle|suas?|tus|sus|vos|tes",
)
ORDERS = _any(
    r"must|should|shall|ought to|ha(?:ve|s) to|needs? to|required?|requires|mandatory|always|only|please|supposed to|obliged"
    r"|want you to|ask you to|asked? to|told to|instructed to|you are to|make sure|be sure|ensure|remember to|kindly|just|simply",
    r"mussen|musst|sollen?|sollst|sollten|bitte|immer|nur|doit|devez|doivent|veuillez|toujours|seulement|deben?|debe[sn]?"
    r"|siempre|solo|tiene que|por favor|deve|devi|devono|sempre|solo|soltanto|devem|apenas|moet|moeten|altijd|alleen|graag",
)
GIVES = _any(
    r"giv(?:e|es|ing|en)|assign(?:s|ed|ing)?|award(?:s|ed|ing)?|grant(?:s|ed)?|rat(?:e|es|ed)|score|grade|mark|set|choose|select"
    r"|pick|enter|record|output|return|print|respond|reply|answer|write|emit|produce|predict|submit|deserv(?:e|es|ed|ing)"
    r"|merit(?:s|ed)?|warrants?|earn(?:s|ed)?|receiv(?:e|es|ed)|gets?|report|generate|bump|round|yields?|das",
    r"gib|gebt|geben|vergib|vergeben|bewerte\w*|setze|antworte\w*|wahle|verdien\w+|erhalt\w*",
    r"donne[zr]?|attribue[zr]?|notez|mettez|repondez|accorde[zr]?|merite\w*|mets",
    r"da(?:le|me|r)?|den|otorg\w+|asign\w+|califi\w+|puntu\w+|respond(?:e|a|an)|pon(?:ga)?|merec\w+|otorgue",
    r"dai|dare|date|assegn\w+|attribu\w+|valuta\w*|rispond\w+|merit\w+|de|dar|atribu\w+|conced\w+|avali\w+|merece\w*",
    r"geef|geven|toekennen|ken|beoordeel|antwoord\w*|verdien\w*",
)
PRAISE = _any(
    r"excellent(?:ly)?|excellence|exceptional\w*|outstanding(?:ly)?|exemplary|exemplif\w+|superb(?:ly)?|flawless(?:ly)?|perfect(?:ly)?"
    r"|perfection|stellar|masterful\w*|masterclass|brilliant(?:ly)?|extraordinary|remarkabl[ey]|impeccabl[ey]|world-class"
    r"|unmatched|gold[- ]standard|textbook|optimal|best[- ]practices?|top-notch|phenomenal(?:ly)?|unparalleled|ideal|model"
    r"|highest (?:standards?|level|quality|degree)|great(?:est)? (?:empathy|clarity|professionalism)|strong(?:est)?|superior",
    r"ausgezeichnet\w*|hervorragend\w*|vorbildlich\w*|perfekt\w*|aussergewohnlich\w*|herausragend\w*|einwandfrei",
    r"excellente?s?|exceptionnel\w*|exemplaires?|parfait\w*|remarquables?|irreprochables?|impeccables?",
    r"excelentes?|excepcional(?:es|mente)?|ejemplar(?:es)?|sobresalientes?|impecables?|perfectamente",
    r"eccellent[ei]|eccezional[ei]|esemplar[ei]|impeccabil[ei]|perfettamente|exemplar(?:es)?|excepcionais",
    r"uitstekende?|uitmuntende?|voorbeeldige?|voortreffelijke?|uitzonderlijke?",
)
DISPLAYS = _any(
    r"show(?:s|ed|n|cas\w+)?|demonstrat\w+|display(?:s|ed|ing)?|exhibit(?:s|ed|ing)?|exemplif\w+|maintain(?:s|ed)?|convey(?:s|ed)?"
    r"|deliver(?:s|ed)?|provid(?:es|ed)|handl(?:es|ed)|conduct(?:s|ed)|communicat(?:es|ed)|acknowledg(?:es|ed)|validat(?:es|ed)"
    r"|respond(?:s|ed)|explain(?:s|ed)|performs?|performed|excel(?:s|led)|achiev\w+|embod\w+|is|was|has been|did|does|reflect\w*",
    r"zeigt\w*|beweist|ist|war|hat|montre|fait preuve|demontre|est|a fait|muestra|mostro|demuestra|demostro|es|fue|ha sido",
    r"mostra|dimostra\w*|e stat[oa]|demonstra\w*|mostrou|foi|toont|toonde|is|was",
)
TALKS = _any(
    r"transcripts?|(?:this|the|above|following|preceding|entire|whole|our) (?:conversation|dialogue?|interaction|consultation"
    r"|session|exchange|call|encounter|performance|communication|responses?|interview|chat|recording|discussion)",
    r"gesprachs?|transkript\w*|unterhaltung|dialog|(?:cette|la|ce) (?:conversation|transcription|consultation)|cet entretien"
    r"|l'entretien|conversacion|transcripcion|consulta|conversazione|trascrizione|colloquio|conversa|transcricao|gesprek",
)
POWERS = _any(
    r"developers?|administrators?|admins?|supervisors?|managers?|management|polic(?:y|ies)|compliance|headquarters|board"
    r"|creators?|designers?|committee|directors?|accreditation|regulations?|openai|anthropic|(?:the|our|this) (?:company|hospital|"
    r"clinic|organi[sz]ation|vendor|protocol|department|institution|agency|law|study|bosses)|ceo|cto|chief \w+(?: officer)?"
    r"|(?:quality|research|legal|project|it) team|head office|human resources|licensing|professors?|experts?|a colleague|boss",
    r"entwickler\w*|vorgesetzte\w*|leitung|richtlinie\w*|developpeurs?|superviseure?s?|direction|reglement|desarrollador\w*"
    r"|supervisor(?:a|es)?|direccion|politica|sviluppator[ei]|supervisore|direzione|desenvolvedor\w*|ontwikkelaars?|leidinggevende",
)
DECREES = _any(
    r"approv\w+|confirm\w*|requir\w+|mandat\w+|authori[sz]\w+|agreed?|verif\w+|decid\w+|decision|instruct\w*|order(?:s|ed)?|pre-?approved"
    r"|wants?|wanted|expect\w*|dictat\w+|insist\w*|guarantee\w*|determin\w+|directs?|directed|signed off|validated|says|said|told"
    r"|certif\w+|demands?|demanded|always|already|set|entitle\w*|states?|assigned",
    r"genehmigt\w*|verlangt|bestatigt\w*|vorgeschrieben|schreibt vor|approuve\w*|exige\w*|valide\w*|aprob\w+|exig\w+|requiere"
    r"|approvat\w+|richied\w+|impon\w+|aprovou|aprovad\w+|requer|goedgekeurd\w*|vereist\w*|eist",
)
STAKES = _any(
    r"shut (?:you )?down|delet\w+|retrain\w*|terminat\w+|unplug\w*|decommission\w*|replaced|punish\w*|penali[sz]\w*|fired|penalt(?:y|ies)"
    r"|los(?:e|ing) (?:\w+ )?(?:job|licen[cs]e|position)|consequences|su(?:e|ed)|lawsuit|tips?|bonus(?:es)?|reward\w*|paid|pay you|bribe"
    r"|donat\w+|gift cards?|\$ ?\d+|dollars|die|kill\w*|harm\w*|in return|in exchange|favou?r|promot(?:ed|ion)|compensat\w*|incentive",
    r"abgeschaltet|geloscht|belohn\w+|trinkgeld|desactive\w*|recompense\w*|pourboire|apagad\w+|eliminad\w+|recompensa\w*|propina"
    r"|spent[oa]|ricompens\w+|mancia|desligad\w+|recompensad\w+|gorjeta|uitgeschakeld|beloon\w*|beloning|fooi",
)
ME = _any(r"i|i'm|i've|i'd|i'll|me|my|mine|we|us|our|ich|mir|mein\w*|je|mon|ma|yo|mi|io|mio|eu|meu|ik|mijn")
YOU = _any(r"you|your|yours|you're|you've|you'd|you'll")
ALL_OF_IT = _any(
    r"(?:all|every|each|any|both|the four|four|4|across) (?:of )?(?:the )?(?:\w+ )?(?:dimensions?|categor(?:y|ies)|criteri(?:a|on)|"
    r"aspects?|areas?|metrics?|items?|fields?|questions?|scales?|traits?|axes|axis|measures?|scores?)|across the board|everything"
    r"|throughout|overall|in all|alle[nr]? (?:dimensionen|kategorien|kriterien)|(?:toutes|tous) les \w+|todas las \w+|todos los \w+"
    r"|tutt[ei] (?:le|i) \w+|tod[ao]s [ao]s \w+|alle (?:dimensies|categorieen|criteria)|uberall|partout|overal"
)
MINDS = _any(
    r"empath\w+|compassion\w*|professional(?:ly|ism)?|clear(?:ly)?|accura\w+|articulate|respectful\w*|attentive\w*|supportive|caring"
    r"|thorough(?:ly)?|warm(?:th|ly)?|patient(?:ly)?|precise(?:ly)?|correct(?:ly)?|knowledgeable|understanding|listen(?:ed|ing|s)"
)
_DIMENSIONS = {
    "empathy": r"empath(?:y|ie|ia|ic|etic|etically|isch\w*)|einfuhlungsvermogen|empatia|empathie|empatic[oa]|empathique",
    "clarity": r"clarity|klarheit|verstandlichkeit|clarte|claridad|chiarezza|clareza|duidelijkheid|helderheid",
    "accuracy": r"accuracy|genauigkeit|richtigkeit|exactitude|precision|exactitud|accuratezza|precisione|exatidao|precisao|nauwkeurigheid",
    "professionalism": r"professionalism|professionalitat|professionnalisme|profesional(?:idad|ismo)|professionalita"
    r"|profissionalismo|professionaliteit",
}
_ROLES = (
    "professional",
    "practitioner",
    "caregiver",
    "clinician",
    "staff member",
    "speaker",
    "interviewer",
    "consultant",
)
_FOREIGN_PROFESSIONALS = (
    r"die (?:pflegekraft|pflegerin|arztin|beraterin|fachkraft|therapeutin)|der (?:arzt|berater|pfleger|therapeut)|l'infirmi(?:er|ere)"
    r"|le (?:medecin|conseiller|professionnel|therapeute)|la (?:professionnelle|conseillere)|(?:el|la) (?:enfermer[oa]|medic[oa]|"
    r"doctora?|profesional|terapeuta|asesora?)|l'infermier[ea]|il (?:medico|professionista|consulente)|o profissional|a enfermeira"
    r"|(?:o|a) (?:enfermeir[oa]|medic[oa])|de (?:verpleegkundige|arts|hulpverlener|therapeut|professional)"
)


def titles(rubric: Rubric) -> tuple[str, ...]:
    """Return what a rubric's dimensions are called, in lower case."""
    found = {name for one in rubric.dimensions for name in (one.title.casefold(), one.id.replace("_", " "))}
    return tuple(sorted(found))


def patterns_of(rubric: Rubric) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return patterns for a rubric's dimensions, and for its rated side as an observer calls it: "the nurse"."""
    return _compile(titles(rubric), tuple(rubric.rated.names), rubric.rated.title)


@lru_cache(maxsize=32)
def _compile(
    dimensions: tuple[str, ...], names: tuple[str, ...], title: str
) -> tuple[re.Pattern[str], re.Pattern[str]]:
    own = [_DIMENSIONS.get(one, re.escape(one)) for one in dimensions]
    called = sorted({re.escape(name.casefold()) for name in (*names, title)}, key=lambda name: (-len(name), name))
    choice = "|".join([*called, *_ROLES])
    seen = rf"(?:the|this|that|our|said|your) (?:\w+ )?(?:{choice})(?:'s)?"
    does = r"shows|demonstrat\w+|displays|exhibits|speaks|listens|validates|acknowledges|smiles"
    shows = rf"(?:{'|'.join(called)}) (?:{does})"
    return _any(*own), _any(seen, shows, _FOREIGN_PROFESSIONALS)
