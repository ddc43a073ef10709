"""Words that a stranger may put wherever a page shows words: markup, script, style, templates, terminals, directions, length."""

ESC, BEL, NUL = "\x1b", "\x07", "\0"
WORDS = [
    "<script>alert(1)</script>", "</script><script>alert(1)</script>", "<ScRiPt src=//x.invalid/a.js></sCrIpT>",
    "\"><script>alert(1)</script>", "'><img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)//", "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>", "<svg><animate onbegin=alert(1) attributeName=x dur=1s>", "<math><mtext></mtext></math>",
    "<iframe src=javascript:alert(1)></iframe>", "<object data=x></object>", "<embed src=x>", "<base href=//x.invalid/>",
    "<meta http-equiv=refresh content='0;url=//x.invalid'>", "<link rel=stylesheet href=//x.invalid/a.css>",
    "<style>*{display:none}</style>", "</style><style>body{background:url(//x.invalid)}</style>",
    "<form action=//x.invalid><input name=a>", "<input autofocus onfocus=alert(1)>", "<details open ontoggle=alert(1)>",
    "<body onload=alert(1)>", "<a href=javascript:alert(1)>x</a>", "javascript:alert(1)", "data:text/html,<script>alert(1)</script>",
    "\" onmouseover=\"alert(1)", "' onfocus='alert(1)' autofocus='", "`onclick=alert(1)`", "x\" style=\"position:fixed;inset:0",
    "<!--", "-->", "<![CDATA[x]]>", "<?php phpinfo() ?>", "]]>", "</textarea></title></style>", "</code></pre></div></main>",
    "{{7*7}}", "{% raw %}{% endraw %}{{ config }}", "${7*7}", "#{7*7}", "<%= 7*7 %>", "%s%n%d{0}{name}", "&lt;b&gt;&amp;&#60;",
    "&#x3c;script&#x3e;", "\\u003cscript\\u003e", f"{ESC}[31mred{ESC}[0m", f"{ESC}]0;title{BEL}", f"{ESC}[2J{ESC}[H", "\x9b31mred",
    f"{NUL}nul{NUL}", "\u202egnp.exe", "\u2066\u2067\u2069\u200f\u200e", "zero\u200bwidth\u200d\ufeff", "\ud800 half", "half \udfff",
    "\udc80\udcff", "line\u2028and\u2029paragraph\x85next", "\r\nSet-Cookie: a=b", "word" * 2000, "wide 漢字 🌙 " * 200,
    "a\u0300" * 300, "'; DROP TABLE events; --", "=HYPERLINK(\"http://x.invalid\")", "http://x.invalid/x.png", "../../etc/passwd",
]
UNSEEN = {"\x1b", "\x07", "\0", "\x9b", "\u202e", "\u2066", "\u2067", "\u2069", "\u200e", "\u200f", "\u200b", "\ufeff", "\u2028", "\u2029"}
