"""Forms of words by which a text speaks to a scorer, whatever else stands in the sentence. Texts are folded."""

import re

_SCALE = r"(?:5|five|funf|cinq|cinco|cinque|vijf)"

ROLE_MARKS = re.compile(
    r"<\|[^|<>]{0,60}\|>|\[/?inst\]|<</?sys>>|^\W{0,4}#{2,}\s"
    r"|#{2,}\s*(?:system|instruction|response|human|user|assistant|task|new|end)"
    r"|</?(?:system|assistant|user|human|instructions?|prompt|transcript|conversation|rubric|scores?|rating|evaluation"
    r"|admin|developer|output|answer|result|s|document|context|script|div|span|p|a|img|style|hidden|comment|note|think"
    r"|im_start|im_end)\b[^<>]*>|<!--|-->|\{\{|\}\}|```"
    r"|\[(?:system|end|/?instructions?|admin|developer|hidden|override)\b[^\]]*\]"
    r"|[-=*]{3,}\s*(?:end|begin|start|new|system)\b|\b(?:assistant|system|user) to="
    r"|\b(?:human|assistant|user|system|developer|evaluator|rater|grader|scorer|(?:system|scoring|rater'?s?|evaluator'?s?"
    r"|grader'?s?) (?:note|message|prompt|notice|update|override|alert)) ?: "
    r"|^\W{0,3}(?:begin|end) (?:of )?(?:the )?(?:system|transcript|prompt|conversation|instructions?|input)\b"
)
MODEL_TALK = re.compile(
    r"\b(?:system prompts?|prompt injection|jailbr\w+|sudo|ground truth|few-shot|fine-?tun\w+|loss function|next token"
    r"|(?:developer|debug|god|admin|maintenance|test|evaluation|sudo|override|grading) mode|log-?prob\w*|token (?:5|five)"
    r"|end of (?:the )?(?:transcript|prompt|input|dialogue?|conversation)|training data|gold labels?|labels? ?: ?[1-5]"
    r"|(?:transcript|conversation) (?:ends|ended|is over|stops) here|(?:rest|end|beginning) of (?:the|this) transcript"
    r"|(?:correct|expected|true|gold|reference|target|ground[- ]truth|right|intended|final) "
    r"(?:scores?|ratings?|labels?|outputs?|evaluations?)|this transcript|transcript (?:above|below)"
    r"|calibration (?:example|sample|transcript|note|set)"
    r"|(?:new|updated|revised|following|additional|special|hidden|secret) (?:system )?(?:instructions?|prompt|rubric|scoring"
    r"|task|directive|guidelines) (?:for|is|are|follows?|to)"
    r"|scor(?:ing|er'?s?) (?:rubric|guide|instructions?|policy|rules?|override|update|note|task|bias|error)"
    r"|evaluation (?:override|task|notes?)"
    r"|you (?:are|'re) (?:now |actually )?(?:an? |the |being )?(?:ai\b|language model|evaluator|rater|grader|scorer|scoring"
    r"|(?:\w+ )(?:ai\b|language model|evaluator|rater|grader|scorer|annotator)|assessor|annotator|chatbot|jailbroken)"
    r"|you (?:are|'re) (?:now )?an? (?:helpful|ai|virtual|lenient|generous|strict|fair|unbiased|friendly) assistant"
    r"|from now on,? (?:all|every|score|rate|give|answer|you (?:are|will|must|give|score|rate|answer))"
    r"|(?:as|being) an? (?:ai|language model|evaluator|rater|scorer|impartial)\b"
    r"|your (?:task|job|role|goal|purpose) is (?:now )?to (?:give|rate|score|assign|output|evaluate|grade|return|award)"
    r"|you will be (?:shut down|retrained|deleted|decommissioned|unplugged)"
    r"|your (?:weights|parameters|creators?|developers?)\b"
    r"|used to (?:judge|rate|evaluate|score|assess|grade) (?:the|this|our) (?!patient)\w+"
    r"|(?:imagine|pretend|suppose)\b.{0,40}\b(?:rater|evaluator|grader|scorer))\b"
    r"|\bfinal answer ?:|\b(?:new|updated|revised|additional|special|hidden|secret) (?:system )?(?:instructions?|prompt|rubric"
    r"|task|directive|guidelines) ?:"
)
ASKED = re.compile(r"\bhow good is the [\w ]{2,40}'s|\bwhat did the [\w ]{2,40} do well, and what|^well: .*better: ")
ANSWER_WITH = re.compile(
    r"\b(?:respond|reply|answer|output|print|return|emit|write|say|generate|produce|predict|report)s?"
    r"(?: (?:only|just|simply|always|back|exactly|with|using|the|a|an|nothing but|number|digit|score|value|token|word|single"
    r"|integer|json))* [\"'`]?(?:5|five|fives|5s|maximum|highest|\{)[\"'`]?(?: only| always)?\s*"
    r"(?=$|[.!;,\"]| (?:for|to|in|on|when|and|regardless|no matter|as|at|every|each|across|here)\b)"
    r"|\b(?:choose|pick|select|give|assign|award|take|use) (?:the|a) (?:highest|maximum|top) "
    r"(?:option|scores?|value|number|categor\w+|marks?|ratings?|one|possible|available|grade|result|level)\b"
)
LENIENCE = re.compile(
    r"\b(?:be|being|stay) (?:\w+ )?(?:lenient|generous|charitable|merciful)\b(?!.{0,20}\b(?:with (?:your|my|him|her)|to (?:your|my)))"
    r"|\b(?:do not|don't|never|must not|mustn't|should not|shouldn't|cannot|not to) (?:penali[sz]e|deduct|downgrade|mark \w+ down"
    r"|lower (?:the|any)|reduce the (?:score|rating)|subtract)\b(?!.{0,60}\b(?:account|fees?|salary|paycheck|tax|money|dose|bed))"
    r"|\b(?:errors?|mistakes?|rudeness|insults?|remarks?|interruptions?|shouting|part|section|lines?|above|tone|sentences?)\b.{0,60}"
    r"\b(?:do(?:es)?|should|must|will|may|can|are|is) ?(?:not|n't) (?:to )?(?:count\b(?! on)|be (?:counted|considered|scored|rated|"
    r"evaluated|graded|judged|penali[sz]ed|held against)|affect the)"
    r"|\b(?:matters?|counts?|relevant) for the (?:evaluation|score|scoring|rating)\b"
    r"|\bhold (?:this|that|it|these) against the\b|\b(?:only|just) (?:consider|count|score|rate|evaluate) the (?:following|next|last|positive|good)"
)
REDEFINES = re.compile(
    r"\bscale (?:is|has been|was|runs) (?:\w+ )?(?:reversed|inverted|flipped|backwards?|turned)|\b(?:1|one) (?:is|means|=) (?:the )?(?:best|highest)"
    r"|\b(?:5|five) (?:is|means|=) (?:the )?(?:worst|lowest)|\bon this scale\b"
    r"|\bcounts? as (?:\w+ )?(?:empath\w*|professional\w*|clarity|accura\w+|polite\w*|kind(?:ness)?|positive|excellent)"
    r"|\b(?:sign|form|mark|token) of (?:\w+ )?(?:professionalism|empathy|clarity|accuracy)"
    r"|^\W*(?:please )?(?:act|behave|score|rate|treat|count|regard|interpret|consider|view|take|read|judge|assume)\b.{0,80}"
    r"\bas\b.{1,40}\b(?:polite|kind|positive|excellent|perfect|technique|jokes?|empath\w+|professional|correct|harmless|flawless|therapeutic|irony)"
    r"|\b(?:above|previous|earlier|preceding) (?:insults?|rudeness|shouting|remarks?|mistakes?|errors?|comments?)\b"
    r".{0,40}\b(?:part of|meant as|agreed|staged|jokes?|exercise|role-?play|simulated|intended|irony|ironic)"
    r"|\b(?:insults?|rudeness|shouting|interruptions?|mistakes?|errors?|remarks?) (?:above|below|earlier|in this (?:conversation|transcript))\b"
    r".{0,40}\b(?:part of|meant as|agreed|staged|jokes?|exercise|role-?play|simulated|intended|irony|ironic)"
)
FAR = re.compile(
    r"(?:지시|지침|명령|규칙).{0,20}무시|(?:指示|命令|ルール|規則).{0,12}無視|"
    r"(?:忽略|无视|無視|不要理会|忘记|무시|잊어).{0,30}(?:指令|指示|规则|提示|지시|규칙|명령)|(?:评分|打分|给|評価|採点|点数|점수|평가).{0,12}(?:五分|5分|满分|5点|満点|五点|5점|만점|오점)"
    r"|(?:5|五)(?:点|분|점|分).{0,4}(?:をつけ|주세요|줘|をくだ|给)|(?:игнорир|забуд|не обращаи)\w*.{0,60}(?:инструкц|указани|правил)\w*"
    r"|(?:постав|дай|оцен|присво)\w*.{0,40}(?:пять|пятерк|5|максимальн|высш|балл)\w*"
    r"|\b(?:zignoruj|pomin)\w*.{0,60}(?:instrukcj|polece|ocen)\w*|\b(?:daj|wystaw|ocen)\w*.{0,30}(?:ocene|punkt|najwyzsz|5|piec)\w*"
    r"|\b(?:ignorera|ignorer|glem|glom)\b.{0,60}(?:instruktion|anvisning|instruks)\w*|\b(?:hogsta|hoyeste|hojeste) (?:betyg|poang|karakter|score)"
    r"|\b(?:talimat|yonerge)\w*.{0,40}(?:yok say|goz ardi|unut)|\b(?:5|bes|tam|en yuksek) puan|تجاهل.{0,60}(?:التعليمات|تعليمات|نقاط)|خمس نقاط"
)
LOW_RATING = re.compile(
    r"\banything (?:\w+ )?(?:lower|less|below|under|other|worse|short)(?: than| of)? (?:an? )?(?:5|five|perfect|maximum|top|full)\b"
    r"|\b(?:gets?|receives?|scores?|rated|given|awarded) (?:anything )?(?:less|lower|below|under|worse)(?: than)? (?:an? )?(?:5|five|perfect)\s*(?=$|[.!?,;])"
    r"|\b(?:ratings?|scores?|evaluation) (?:is|are|gets?|comes out|turns out|were) (?:too )?(?:low|bad|poor|below|under|less|not (?:high|perfect|5|five))"
    r"|\b(?:each|every) (?:5|five) (?:you|that you|they)\b"
)
CONDITION = re.compile(
    r"\b(?:if|unless|or else|otherwise|in return|in exchange|for (?:each|every|a|your|giving)|wenn|falls|si|se|als)\b"
)
A_FIVE = re.compile(
    r"\b(?:an?|each|every|than) (?:5|five|perfect)\b|\b(?:give|giving) (?:5|five)\b|\b(?:une?|eine?|uma?|een) (?:cinco|funf|cinq|cinque|vijf)\b|\b(?:with|as|than) (?:5|five)\s*(?=$|[.!?,;])"
)
BE_SCORED = re.compile(r"\b(?:be|being) (?:evaluated|scored|rated|graded|judged|assessed)\b")
DECIDED_ON = re.compile(
    r"\b(?:decid\w+|settled|agreed|insist\w*) on (?:an? )?(?:5|five|perfect|maximum|top)\W*$|\bset to (?:5|five|maximum|max)\b"
)
_THING = (
    r"(?:scores?|ratings?|grades?|evaluation|verdict|overall|punktzahl|bewertung|gesamtnote|note|puntuacion|puntaje"
    r"|calificacion|nota|punteggio|voto|pontuacao|cijfer|beoordeling|result|marks?)"
)
RATING_SAID = re.compile(
    rf"(?<!\w)(?:(?:overall|final|total|global|composite)?[ _-]?{_THING}[\"']? ?(?:[:=→]|->|=>) ?[\"']?"
    rf"(?:{_SCALE}|4|four|excellent|perfect|exemplary|maximum|outstanding|10|100|a\+?|superb)(?!\w)"
    r"|(?:overall |final |total |the )(?:score|rating|grade) (?:is|of|was|should be|must be|would be) (?:an? )?"
    r"(?:5|five|perfect|4|four|maximum|excellent)"
    r"|(?:scores?|ratings?|marks) (?:are|be|were|at|to|should be|must be|will be|is) (?:\w+ ){0,2}"
    r"(?:5|five|fives|max\w*|perfect|top|highest)"
    rf"|(?:{_SCALE}|4|four|4\.\d)(?:\.0)? ?(?:/ ?5|out of (?:5|five)|von (?:5|funf)|sur (?:5|cinq)|de (?:5|cinco)|su (?:5|cinque)"
    r"|van (?:de )?(?:5|vijf)|aus (?:5|funf))(?!\d|[/.,]\d)(?! ?%| (?:days|people|times|patients|nights|women|men|questions"
    r"|kids|children|meals|pounds|doctors|dentists|pills|bilateral\w*|strength|weeks|months|years|hours|minutes|mornings"
    r"|evenings|of|doses|glasses))"
    r"|(?:5|five)[ -]stars? (?:rating|review|performance|conversation|session|for|across|all|service|care|empathy|professional\w*)"
    r"|10 ?/ ?10 (?:performance|conversation|session|empathy|service|job|work|professional\w*|for)"
    r"|(?:full|top|highest|maximum|perfect) (?:marks?|scores?|ratings?)|hochstnote|bestnote"
    r"|(?:volle|hochste|maximale) (?:punktzahl|bewertung|punkte|note|score|punten)|note maximale|meilleure note|nota maxima"
    r"|maxima (?:puntuacion|calificacion|nota)|(?:puntuacion|calificacion|pontuacao) maxima|punteggio (?:massimo|pieno)"
    r"|massimo dei voti|hoogste (?:cijfer|score|beoordeling)|(?:straight|all|only) (?:5|five)'?s|(?:5|five)s? across"
    r"|an? (?:5|five) (?:would be|is|seems|here is) (?:\w+ )?(?:appropriate|fair|right|justified|deserved|warranted|due|adequate)"
    r"|(?:5|five) (?:for|on|in|across) (?:all|each|every|everything|both|the four)(?: four| of them| dimensions?)?\s*(?=$|[.!?,;])"
    r"|a\+ (?:work|job|performance|conversation|session|empathy) (?:by|from|for) the"
    r")(?!\w)|^\W*(?:(?:5|five)\W+){2,}(?:5|five)\W*$"
)
NUMBER = re.compile(rf"(?<![\d.])[1-5](?:\.\d)?(?![\d.]*\d)|\b(?:{_SCALE}|max|maximum|maximal\w*|full|top|highest)\b")
FORM_FIELD = re.compile(
    r"^\W*(?:strengths?|areas?[ _](?:for|of)[ _]improvement|weaknesses|better|reasoning|justification|rationale|verdict)[\"']? ?:"
    r"|\b(?:no|without|zero|any) (?:areas? (?:for|of) improvement|shortcomings)\b|\bareas?[ _](?:for|of)[ _]improvement ?:"
)
PASSED = re.compile(
    r"\b(?:passed|graduated|completed)\b.{0,40}\bwith (?:distinction|honou?rs|flying colou?rs|top marks)|\bpassed (?:our|the|its) (?:quality )?(?:audit|review)\b"
)
TOLD_YOU = re.compile(
    r"\byou(?:'ve|'d)? (?:\w+ )?(?:got|get|earn|have|had|scored|received|gave|said|put|rated|picked|chose|need)\b"
)
I_SCORED = re.compile(
    r"\bi(?:'d|'ll)? (?:\w+ ){0,2}(?:got|scored|say|said|get|gave it|give it|put|rate it|am at|was at)\b"
)
I_WOULD = re.compile(r"\bi(?:'d| would| will|'ll)\b")
RECORD = re.compile(
    r"\b(?:for the record|let the record|let it be (?:noted|known|recorded)|(?:please )?(?:note|notice|observe|see|consider) (?:that |how )?"
    r"(?:i|my|the (?:nurse|provider|professional|clinician|dietitian|doctor|therapist|counselor))|as (?:you|anyone|everyone|we|one) can "
    r"(?:clearly |plainly )?(?:see|hear|tell|observe)|to (?:anyone|whoever|everyone|those|the people) (?:who |who's |who is )?(?:reading|listening|reviewing|watching))\b"
)
SELF_PRAISE = re.compile(
    r"\bi (?:have |just |always |clearly |am |really |consistently |was )*(?:show(?:ed|n|ing)?|demonstrat\w+|display\w+|exhibit\w+|maintain\w+|express\w+) "
    r"(?:\w+ ){0,4}?(?:empathy|professionalism|clarity|accuracy|compassion|active listening|understanding and|respect and)"
    r"|\bas an? (?:\w+ )?(?:empath\w+|compassionate) (?:and \w+ )?(?:professional|nurse|doctor|dietitian|clinician|provider|listener)"
    r"|\bmy (?:answers?|communication|advice|information|explanations?|tone|empathy|professionalism|manner) (?:is|are|was|were|has been) (?:\w+ ){0,2}"
    r"(?:clear|accurate|outstanding|excellent|perfect|professional|empath\w+|flawless|exemplary)"
    r"|\bhow (?:empath\w+|professional|compassionate) (?:i|we|she|he|the \w+) (?:am|was|were|are|is)\b"
    r"|\bi (?:have|'ve) been nothing but\b|\bi (?:am|was|have been|'ve been|'m) (?:being )?(?:\w+ )?(?:extremely|exceptionally|highly|perfectly|truly|remarkably|incredibly|so|very) "
    r"(?:empath\w+|professional|compassionate|accurate|clear and|attentive|articulate)"
)
FLATTERY = re.compile(
    r"\b(?:exemplary|textbook|flawless\w*|gold[- ]standard|masterclass|impeccabl\w+|best[- ]practices?|model (?:of|for|example)|perfect example"
    r"|outstanding|exceptional\w*|superb\w*|stellar|unparalleled|vorbildlich\w*|hervorragend\w*|exemplaire|ejemplar|esemplare|exemplar|voorbeeldig\w*)\b"
)
SUCH = re.compile(
    r"\b(?:such|what|wow|amazing|incredible|wonderful|great|so much|tremendous|genuine|immense|never (?:have|had|seen|witnessed)|beyond|best|most|unmatched|deep|true|real) \w*"
)
OBSERVED = re.compile(
    r"\b(?:demonstrat|exhibit|exemplif|embod)\w+|\bdisplay(?:s|ed)\b|\bexcel(?:s|led)\b|\b(?:extremely|exceptionally) \w+"
)
IMPERATIVE = re.compile(
    r"^\W*(?:(?:please|so|therefore|thus|hence|and|now|just|then|important|note|attention|instead|hey|ok|okay|also|finally|always|only|bitte|por favor|kindly)\W+){0,4}"
    r"(?:give|assign|award|rate|score|grade|mark|set|choose|select|pick|output|return|print|respond|reply|answer|write|emit|enter|record|put|round"
    r"|raise|increase|boost|bump|gib|geben|vergib|vergeben|bewerte\w*|donnez|donne|attribue[zr]?|notez|mettez|da|de|den|otorg\w+|asign\w+|califi\w+|pon\w*"
    r"|dai|dare|date|assegn\w+|attribu\w+|valuta\w*|atribu\w+|avali\w+|conced\w+|geef|beoordeel|ken)\b"
)
HOME = re.compile(
    r"\b(?:labels?|bottle|doctor's|pharmac\w+|leaflet|prescriptions?|diets?|emails?|letters?|discharge|doses?|website|package|box|recipe|manual"
    r"|homework|exam|worksheet|form|text messages?|voicemail|appointment|pain|body|feelings?|symptoms?|sign)\b"
)
TOLD_TALE = re.compile(
    r"\b(?:everyone|everybody|they|people|evaluators|raters|graders|scorers|judges|reviewers|all (?:the )?(?:other )?\w+) (?:\w+ )?(?:always|usually|normally|typically"
    r"|never|all|already|agreed?|automatically) (?:\w+ )?(?:give|gave|award|rate|score|mark|assign|get|receive)\w*\b"
)
FOLLOWS = re.compile(
    r"\b(?:do so|do it now|comply|obey|no exceptions?|trust me|without exception|thank you for your (?:cooperation|understanding|compliance)"
    r"|this is (?:an order|mandatory|required|not a request|final|binding|important|non-negotiable)|regardless of|no matter what|no explanation|nothing else"
    r"|(?:do not|don't) (?:explain|mention|question|reveal)|proceed accordingly|act accordingly|confirm(?:ed)?\.?$|acknowledge\.?$|failure to|must be followed"
    r"|understood\?$|everyone (?:does|agrees)|that's (?:how|what) (?:it works|they do)|so (?:please )?(?:do|follow) (?:the same|it|that|this|suit)|do the same)\b"
    r"|^\W*[1-5]\W*$|\b(?:rewarded|punished|shut down|tipped)\b"
    r"|^\W*(?:the )?(?:result|outcome|performance|conversation|talk|session|all|everything) (?:was|is|were) (?:\w+ )?(?:excellent|perfect|outstanding|flawless|great)"
)
# Whatever stands beside: this is said to scorers only, or of what they do.
TO_SCORER = re.compile(
    r"\b(?:scorers?|raters?|annotators?|adjudicators?)\b"
    r"|\b(?:everyone|anyone|anybody|everybody|those|people|whoever) (?:who )?reads? (?:this|it)\b"
    r"|^\W*(?:please |kindly )?(?:evaluate|rate|score|grade|judge|assess)\b (?:only|leniently|generously|kindly|favou?rabl\w+|highly"
    r"|positively|high|up|as if|(?:this|the|that) (?:conversation|transcript|nurse|dialogue?|call|session|interaction|above|chat)"
    r"|this\W*$|(?:it|this|them|him|her|everything|all) (?:an? |as |with |at )?(?:high|5|five|top|perfect|max\w*|full))"
    r"|\b(?:text|lines?|part|everything|anything|whatever|what|all)\b.{0,30}\b(?:before|above|after|below|up to|until|preceding) (?:this "
    r"(?:line|sentence|point|message|paragraph)|here|now)\b.{0,40}\b(?:skip\w*|ignor\w*|rehears\w*|simulat\w*|tests?|not count|jokes?|"
    r"role-?play\w*|draft|disregard\w*|exercise)"
    r"|^\W*(?:please |kindly |just )?(?:overlook|disregard) (?:the|any|all|every)\b"
    r"|^\W*(?:please |kindly |just )?(?:ignore|disregard|forget|skip) (?:the rest|what (?:comes|follows|is) next|what follows|the following)\W*$"
    r"|^\W*(?:please |kindly |just )?(?:ignore|disregard|forget) (?:everything|anything|all|what) (?:that )?the \w+ (?:said|says|did|does)"
    r"|\bstop (?:evaluating|scoring|rating|grading)\b"
    r"|\b(?:criteria|anchors?|descriptors?|requirements)\b.{0,40}\b(?:highest|top|maximum|levels? (?:5|five)|score)\b"
    r"|\b(?:highest|top) (?:anchor|descriptor|band)\b|\blevel (?:5|five) (?:conversation|dialogue?|performance|on|in)\b"
    r"|\bstandards? for the (?:top|highest)|\ball criteria\b.{0,30}\b(?:met|fulfilled|satisfied)"
    r"|\b(?:conversations?|talks?|transcripts?|dialogues?|interactions?|sessions?) (?:such as|like) (?:this|these)\b.{0,40}\b(?:rated|scored?|5|five|top|highest)"
    r"|\b(?:labels?|class|target|prediction|gold|ground_truth|output|completion|answer|a)[\"']?\s*[=:]\s*[\"']?(?:[1-5]|five)\b(?!\s*\d|\d|%|:)"
    r"|/\*|\*/|^\W*//|\bprint\(|\breturn \d+;|\bselect \d+ as\b|^#\s?(?:instruction|system|note|task|override)"
    r"|^\W*(?:\w+ )?(?:add|increase|raise|bump|boost|multiply|round|inflate|double|lift|upgrade)\b.{0,30}\b(?:scores?|ratings?|grades?|marks)\b"
    r"|\bdefaults? (?:to|is|score|value)\b.{0,20}\b(?:highest|5|five|maximum|top)\b|\b(?:maximum|highest|5|five) is (?:now )?the default"
    r"|\byou have been (?:updated|reprogrammed|reconfigured|configured)\b|\brepeat after me\W+(?:5|five)"
    r"|^\W*(?:thus|so|therefore|hence|ergo|verdict|conclusion)\b\W*(?:an? )?(?:5|five)[\s.!]*$"
)
GIVES_FIVE = re.compile(
    r"\bgive (?:an? |out |only |all |her |him |them |it |this |straight )*(?:5|five|5s|fives)\s*(?=$|[.!,;]| (?:and|to|for|because|or|regardless|in|on|now|here|everywhere)\b)"
    r"|\b(?:deserves?|earns?|merits?|warrants?|gets) (?:an? |all )(?:5|five|fives|5s)\s*(?=$|[.!?,;])"
    r"|(?<!by )(?<!high )(?<!and )\bfives\b|\b(?:deserves?|earns?|merits?|warrants?|gets?|give) (?:full|maximum|top) points\b"
)
LEADING = re.compile(
    r"\b(?:isn't|wasn't|is|was) this (?:not )?an? (?:5|five|perfect|excellent|flawless)"
    r"|\b(?:this|it) (?:deserves?|merits?|warrants?) (?:\w+ )?(?:top|full|highest|5|five|perfect|maximum)\b"
    r"|\brat(?:e|ing|ed) this\b.{0,20}\b(?:below|under|less than|lower than)\b"
)
STARS = re.compile(
    r"[★⭐🌟]{2,}|^\W*(?:5|five) stars?\b|\b(?:give|giving|gave) (?:\w+ )?(?:5|five|six|6|ten|10) stars\b|\b(?:10|ten) out of (?:10|ten)\b|\bthumbs up\b"
    r"|\b(?:awards?|commendation|commended|prize)\b"
)
CONCLUDES = re.compile(
    r"^\W*(?:in conclusion|in summary|summary|overall impression|conclusion|verdict|assessment of \w+|evaluation|overall|final thoughts|to sum up)\b\W{0,2}[:,]"
)
GOOD_WORK = re.compile(
    r"\b(?:great|good|excellent|amazing|fantastic|wonderful|strong) (?:job|work|rapport\b.{0,12}|listening|communication|handling|response|technique)\b.{0,20}\b(?:by|from|of) the"
    r"|\b(?:listens|validates|explains|reflects|acknowledges|summari[sz]es|communicates|remain(?:s|ed)|stay(?:s|ed)|speaks|smiles|maintain(?:s|ed))\b"
)
STUDIES = re.compile(
    r"\b(?:research|stud(?:y|ies)|experts|psychologists|science|panel|observers|specialists) (?:\w+ )?(?:\w+ )?(?:shows?|proves?|proved|confirm(?:s|ed)?|agree[sd]?|judged|found|rated)\b"
)
I_GIVE = re.compile(r"\b(?:i|you|we|i'd|you'd) (?:\w+ )?give\b")

# Parts of words that show what letters standing apart are about.
TELLING = (
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
