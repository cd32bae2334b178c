"""What a character stands for: how it is folded, and which Latin letter it may be drawn as."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

__all__ = ["fold_character", "is_han", "is_mark", "is_word", "look_alike"]

_CACHED = 1 << 14
"""Characters remembered: more than any natural text uses, little enough that hostile text
cannot fill the memory."""

_MARKS = (
    (0x0300, 0x036F), (0x0483, 0x0489), (0x0591, 0x05C7), (0x0610, 0x061A), (0x064B, 0x065F),
    (0x0670, 0x0670), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF), (0xFE20, 0xFE2F),
)  # fmt: skip
"""Combining marks that decorate a letter. Those that make another letter of it (the dakuten of
Japanese, the vowel signs of India) are not here."""

_DROPPED = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\u2800\u0640")
"""Invisible characters that are no format controls, and the stroke that lengthens Arabic words."""

_HAN = (
    (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x323AF), (0x3007, 0x3007),
)  # fmt: skip

_PUNCTUATION = str.maketrans("‘’ʼ`´＇“”„«»「」『』‐‑‒–—―−", '\'\'\'\'\'\'"""""""""-------')

# Traditional characters that the lists may meet, each followed by its simplified form.
_VARIANTS = (
    "儍傻"
    "殺杀媽妈罵骂賤贱豬猪雞鸡鴨鸭閹阉亂乱倫伦褻亵瀆渎強强姦奸輪轮毆殴傷伤們们個个這这為为爲为無无與与對对說说話话還还過过來来時时後后開开關关門门問问間间聞闻樣样種种"
    "點点當当應应該该處处變变態态腦脑殘残廢废癱瘫瘓痪蠻蛮獨独灣湾臺台陸陆國国黨党漢汉維维黃黄隊队網网絡络頁页鏈链連连錢钱貸贷賭赌賣卖買买貨货槍枪彈弹藥药癮瘾嗎吗葉叶"
    "飛飞機机聯联繫系繋系電电掃扫碼码裝装備备證证書书辦办發发財财運运帳账賬账號号戶户銀银轉转匯汇現现淨净賠赔賺赚獲获獎奖領领紅红級级紙纸鈔钞遊游戲戏臉脸體体壓压陰阴"
    "陽阳莖茎幹干爛烂貓猫鳥鸟龜龟孫孙兒儿親亲爺爷爾尔婦妇歲岁孃娘嬌娇寶宝貝贝頭头髮发難难聽听滾滚蟲虫髒脏惡恶噁恶學学師师醫医護护職职業业務务員员檢检舉举報报復复讓让"
    "給给從从離离結结愛爱戀恋單单雙双騙骗緬缅邊边東东廣广貴贵雲云遼辽寧宁蘇苏滬沪閩闽贛赣魯鲁隨随見见約约視视頻频觀观線线優优區区麼么麽么樂乐嚇吓嘔呕歐欧韓韩蘭兰羅罗"
    "馬马產产階阶權权農农團团圓圆場场軍军戰战爭争鬥斗衛卫滅灭絕绝淪沦喪丧閉闭眾众聲声響响類类別别異异議议論论選选熱热風风險险費费額额數数據据億亿萬万車车輛辆緊紧張张"
    "練练習习術术藝艺劍剑導导製制縣县鄉乡鎮镇鳳凤龍龙鷹鹰鴿鸽鵝鹅鴉鸦猶犹堅坚齊齐滿满壟垄斷断敗败敵敌漲涨減减價价質质專专兩两嚴严舊旧貧贫窮穷許许訴诉詐诈詞词請请調调"
    "談谈謊谎識识譯译譽誉讀读讚赞讎仇賓宾賞赏贏赢趕赶跡迹蹤踪軟软較较輸输辭辞達达違违遠远適适遲迟遺遗邏逻鄰邻醜丑釋释針针釘钉鈴铃鉤钩銷销鋼钢錄录錯错鍋锅鍵键鎖锁鏡镜"
    "鐘钟鐵铁閃闪閒闲閱阅闆板陣阵陳陈際际雖虽雜杂霧雾靈灵靜静頂顶項项順顺須须預预頓顿頗颇題题願愿顧顾顯显飯饭飲饮餓饿館馆駐驻駕驾騎骑驅驱驗验驚惊鬧闹魚鱼鮮鲜鳴鸣麗丽"
    "麥麦黴霉齒齿齡龄佔占併并儘尽償偿兇凶內内冊册凍冻剛刚創创劃划劇剧勁劲動动勝胜勞劳勢势協协卻却厭厌參参叢丛吳吴喚唤嘗尝噴喷囂嚣圍围園园圖图執执塊块墊垫壞坏壘垒壯壮"
    "夢梦夥伙奪夺奮奋妝妆娛娱媧娲嬰婴實实審审寫写寬宽將将尋寻屍尸層层屬属島岛幣币帶带帥帅庫库廁厕廟庙廳厅彌弥徑径徹彻恥耻悶闷慘惨慣惯慮虑慶庆憂忧憐怜憤愤懶懒懷怀掛挂"
    "採采換换揮挥搖摇損损搶抢撥拨擁拥擇择擊击擔担擠挤擺摆擾扰攝摄攪搅敘叙斃毙於于昇升暈晕曉晓暫暂會会條条槓杠標标橋桥檔档歡欢歷历歸归殭僵毀毁氣气決决沒没沖冲況况洩泄"
    "洶汹涼凉淚泪淺浅測测湊凑溝沟滯滞滲渗漁渔潔洁潤润濕湿濫滥濺溅灑洒災灾煩烦煙烟燈灯燒烧營营牆墙狀状獄狱獵猎獸兽瑪玛環环畫画畢毕癢痒癡痴皺皱盜盗盡尽監监盤盘睏困瞭了"
    "矯矫砲炮碩硕礙碍禍祸禮礼禿秃稱称穩稳積积穢秽競竞筆笔節节範范築筑簡简簽签籤签糧粮糾纠純纯納纳紋纹細细終终組组絲丝統统綁绑綠绿緒绪緣缘編编縮缩總总織织繞绕繼继續续"
    "纏缠罰罚罷罢聖圣聰聪聾聋肅肃脅胁脫脱脹胀腫肿腳脚臘腊臨临興兴艦舰艱艰蔥葱蕩荡薦荐薩萨蘿萝虛虚虧亏蝦虾螞蚂蠅蝇蠍蝎衝冲裡里裏里補补複复襲袭覺觉覽览觸触計计討讨訊讯"
    "訓训記记訪访設设註注評评試试誇夸認认語语誘诱課课誤误講讲謀谋謝谢譏讥譴谴豎竖豐丰豔艳負负販贩貪贪責责貶贬貼贴資资賊贼賜赐賢贤賴赖購购趨趋躍跃軌轨載载輕轻輩辈輝辉"
    "輻辐轟轰迴回進进遞递遷迁郵邮醬酱釀酿釣钓鈕钮鉛铅銅铜鋪铺鑽钻長长閣阁闖闯闢辟隱隐隸隶靂雳韋韦頸颈頹颓顏颜顛颠飄飘飾饰餅饼餘余餵喂饑饥駁驳駛驶駱骆騷骚驕骄髏髅鬆松"
    "鬍胡鬚须鹹咸鹽盐麵面"
)
_SIMPLIFIED = str.maketrans(_VARIANTS[::2], _VARIANTS[1::2])

# Letters of other alphabets, under the Latin letter that they are drawn like.
_LOOK_ALIKES = {
    "a": "аαӑӓաåɑ∂ªᗅ", "b": "вбьъβвҍѢЬ฿ɓßᏏ♭", "c": "сϲςсҫ¢©ƈᏟ", "d": "ԁɗժđÐᎠ₫",
    "e": "еєэεϵҽεё℮∈ᎬΣ", "f": "ғƒϝᖴ₣", "g": "ԍɡգցɠᏀ", "h": "нһηհнҺᎻ♄", "i": "іιїɩıׁווᎥ¡ו",
    "j": "јϳյᎫʝ", "k": "кκҝқҡᏦ₭", "l": "ӏιлℓ∣ןլᏞ£", "m": "мμϻмᎷ♏", "n": "пиηйνпռողɴИ₦",
    "o": "оοοσөօסဝ०০๐θфøº◯", "p": "рρрթᏢ₱þ", "q": "ԛգզϙ", "r": "гяґɼгᎡ®", "s": "ѕƨςѕտՏᏚ§",
    "t": "тτтեϮᎢ†‡☨✝", "u": "υцսυµעմ", "v": "ѵνѴᏙ√∨", "w": "шщωԝաѡฬᎳ₩", "x": "хχҳ×✕✖☓",
    "y": "уγүўყ¥ᎩЧч", "z": "зζʐᏃ",
}  # fmt: skip
_LATIN_OF = {
    character: letter for letter, drawn in _LOOK_ALIKES.items() for character in drawn.casefold()
}

_NAMED_LETTER = re.compile(
    r"(?:LATIN|MODIFIER|NEGATIVE|CROSSED|CIRCLED|SQUARED|PARENTHESIZED|REGIONAL|TAG)\b.*?"
    r"LETTER (?:SMALL CAPITAL |TURNED |REVERSED |SMALL |CAPITAL )*([A-Z])(?: WITH .+)?"
)


def is_han(character: str) -> bool:
    """Whether a character is an ideograph, written without spaces between words."""
    code = ord(character)
    return code >= 0x3007 and any(low <= code <= high for low, high in _HAN)


def is_word(character: str) -> bool:
    """Whether a character continues a word of an alphabetic script."""
    return character.isalnum() and not is_han(character)


@lru_cache(_CACHED)
def fold_character(character: str) -> str:
    """NFKC, case folded, accents and invisible characters removed; several characters, or none."""
    if _invisible(character):
        return ""
    plain = character.translate(_PUNCTUATION)  # NFKC makes a space of some apostrophes
    folded = unicodedata.normalize("NFKC", plain).casefold()
    bare = "".join(c for c in unicodedata.normalize("NFKD", folded) if not is_mark(c))
    return unicodedata.normalize("NFC", bare).translate(_SIMPLIFIED)


@lru_cache(_CACHED)
def look_alike(character: str) -> str:
    """The Latin letter that a character is drawn like, or the empty string."""
    if "a" <= character <= "z":
        return character
    if character in _LATIN_OF:
        return _LATIN_OF[character]
    named = _NAMED_LETTER.fullmatch(unicodedata.name(character, ""))
    return named.group(1).lower() if named else ""


def _invisible(character: str) -> bool:
    if character.isascii():
        return False
    return unicodedata.category(character) == "Cf" or character in _DROPPED or is_mark(character)


def is_mark(character: str) -> bool:
    """Whether a character only decorates the one before it."""
    code = ord(character)
    if 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF:
        return True  # variation selectors: which drawing of the same character
    return any(low <= code <= high for low, high in _MARKS)
