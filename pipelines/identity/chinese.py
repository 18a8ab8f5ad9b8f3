"""Chinese names: simplified, split into family and given name, and read in pinyin.

The lists are of the language, not of the business: family names of two characters, the characters
that family names of one are made of, those whose reading as a family name is not their usual one,
and how families from outside the mainland spell them.
"""

import re
from functools import cache, lru_cache

from opencc import OpenCC
from pypinyin import Style, lazy_pinyin
from pypinyin.constants import PINYIN_DICT
from pypinyin.contrib.tone_convert import to_normal

HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]")
ONLY_HAN = re.compile(rf"{HAN.pattern}+")
CALLED = "小阿老"  # what goes before a name among friends: 小娜, 阿伟, 老王
LONGEST_GIVEN = 2

SURNAMES = frozenset(
    "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜戚谢邹喻柏水窦章云苏潘葛奚范彭郎"
    "鲁韦昌马苗凤花方俞任袁柳酆鲍史唐费廉岑薛雷贺倪汤滕殷罗毕郝邬安常乐于时傅皮卞齐康伍余元卜顾孟平黄"
    "和穆萧尹姚邵湛汪祁毛禹狄米贝明臧计伏成戴谈宋茅庞熊纪舒屈项祝董梁杜阮蓝闵席季麻强贾路娄危江童颜郭"
    "梅盛林刁钟徐邱骆高夏蔡田樊胡凌霍虞万支柯昝管卢莫经房裘缪干解应宗丁宣贲邓郁单杭洪包诸左石崔吉钮龚"
    "程嵇邢滑裴陆荣翁荀羊於惠甄曲家封芮羿储靳汲邴糜松井段富巫乌焦巴弓牧隗山谷车侯宓蓬全郗班仰秋仲伊宫"
    "宁仇栾暴甘钭厉戎祖武符刘景詹束龙叶幸司韶郜黎蓟薄印宿白怀蒲邰从鄂索咸籍赖卓蔺屠蒙池乔阴胥能苍双闻"
    "莘党翟谭贡劳逄姬申扶堵冉宰郦雍郤璩桑桂濮牛寿通边扈燕冀郏浦尚农温别庄晏柴瞿阎充慕连茹习宦艾鱼容向"
    "古易慎戈廖庾终暨居衡步都耿满弘匡国文寇广禄阙东欧殳沃利蔚越夔隆师巩厍聂晁勾敖融冷訾辛阚那简饶空曾"
    "毋沙乜养鞠须丰巢关蒯相查后荆红游竺权逯盖益桓公肖闫付代丘覃岳商苟涂占苑亓仉区冼粟尧原修麦植佟谯鄢"
    "楚帅晋仝闪撒呼哈海初阳户战辜郄门候母来揭敬揣展练卿操银才迟由丛矫綦衣隋朴种秘员黑祁岑过况敖滕"
)
COMPOUND_SURNAMES = frozenset((
    "欧阳", "司马", "上官", "诸葛", "夏侯", "东方", "皇甫", "尉迟", "公孙", "慕容", "令狐",
    "宇文", "长孙", "司徒", "司空", "端木", "万俟", "轩辕", "闻人", "赫连", "澹台", "公冶",
    "宗政", "濮阳", "淳于", "单于", "太叔", "申屠", "仲孙", "钟离", "鲜于", "闾丘", "亓官",
    "司寇", "仉督", "子车", "颛孙", "巫马", "公西", "漆雕", "乐正", "壤驷", "公良", "拓跋",
    "夹谷", "宰父", "谷梁", "百里", "呼延", "东郭", "南门", "羊舌", "微生", "梁丘", "左丘",
    "东门", "西门", "南宫", "第五", "独孤", "纳兰", "爱新觉罗", "叶赫那拉", "完颜", "范姜",
))  # fmt: skip
ALL_SURNAMES = SURNAMES | COMPOUND_SURNAMES
READINGS = {
    "单": "shan", "解": "xie", "仇": "qiu", "查": "zha", "区": "ou", "曾": "zeng", "盖": "ge",
    "覃": "qin", "种": "chong", "缪": "miao", "秘": "bi", "员": "yun", "黑": "he", "乐": "yue",
    "朴": "piao", "翟": "zhai", "薄": "bo", "乜": "nie", "隗": "wei", "乐正": "yuezheng",
    "子车": "ziju",
}  # fmt: skip
# Cantonese, Hokkien, Hakka, Teochew and Wade-Giles spellings, and the pinyin they may stand for.
SPELLINGS = {
    "au": "ou qu", "auyeung": "ouyang", "bak": "bai", "chai": "cai", "chan": "chen",
    "chang": "zhang", "chao": "zhao", "chau": "zhou zou", "chee": "xu zhu", "cheng": "zheng",
    "cheong": "zhang", "cheung": "zhang", "chew": "zhou zhao", "chia": "xie", "chiang": "jiang",
    "chiew": "zhao zhou", "chin": "chen qian", "chiu": "zhao qiu", "cho": "cao zuo",
    "choi": "cai", "chong": "zhang zhuang", "choo": "zhu", "chou": "zhou", "chow": "zhou zou",
    "choy": "cai", "chu": "zhu", "chua": "cai", "chuang": "zhuang", "chui": "cui xu",
    "chun": "qin", "chung": "zhong zheng", "fok": "huo", "fong": "fang", "foo": "fu hu",
    "fung": "feng", "goh": "wu", "ha": "xia", "hau": "hou", "ho": "he", "hoi": "xu",
    "hong": "kang", "hsiao": "xiao", "hsieh": "xie", "hsu": "xu", "hui": "xu",
    "hung": "hong kong", "ip": "ye", "kam": "gan jin", "kan": "jian", "kang": "jiang",
    "keung": "jiang", "kho": "xu", "khoo": "qiu", "ko": "gao", "koh": "xu", "kong": "jiang",
    "koo": "gu", "ku": "gu", "kuo": "guo", "kwan": "guan", "kwok": "guo", "kwong": "kuang",
    "lai": "li", "lam": "lin", "lau": "liu", "law": "luo", "lee": "li", "leong": "liang",
    "leung": "liang", "liew": "liu", "lim": "lin", "liu": "liao", "lo": "luo lu", "loh": "luo",
    "lok": "luo lu", "loke": "lu", "loo": "lu", "low": "liu luo", "lui": "lei lu", "luk": "lu",
    "lum": "lin", "lung": "long", "mak": "mai", "man": "wen", "miu": "miao", "mo": "wu mao",
    "mok": "mo", "mui": "mei", "ng": "wu huang", "ngai": "wei ni", "ngan": "yan", "oh": "hu",
    "ong": "wang weng", "ooi": "huang", "pang": "peng", "poon": "pan", "pun": "pan",
    "quek": "guo", "seah": "xie", "see": "shi", "seow": "xiao", "shek": "shi", "shiu": "shao",
    "shum": "cen shen", "sim": "shen", "sin": "xian", "sit": "xue", "siu": "xiao shao",
    "so": "su", "soh": "su", "soo": "su", "soong": "song", "suen": "sun", "sum": "shen",
    "sung": "song", "szeto": "situ", "tai": "dai", "tam": "tan", "tan": "chen", "tang": "deng",
    "tay": "zheng", "teh": "zheng", "teng": "deng", "teo": "zhang", "to": "du tao", "toh": "zhuo",
    "tong": "tang", "tsai": "cai", "tsang": "zeng", "tse": "xie", "tseng": "zeng",
    "tseung": "jiang", "tsoi": "cai", "tsui": "xu", "tuen": "duan", "tung": "dong", "un": "yuan",
    "wai": "wei hui", "wan": "yun yin wen", "wee": "huang", "wong": "wang huang", "woo": "hu",
    "wu": "hu", "yam": "ren", "yan": "ren", "yap": "ye", "yau": "qiu you", "yee": "yu",
    "yeh": "ye", "yen": "yan", "yeo": "yang", "yeoh": "yang", "yeow": "yao", "yeung": "yang",
    "yick": "yi", "yin": "yan", "yip": "ye", "yiu": "yao", "yong": "yang rong", "yow": "you qiu",
    "yue": "yu", "yuen": "yuan ruan", "yung": "rong",
}  # fmt: skip


@cache
def _simplifier() -> OpenCC:
    return OpenCC("t2s")


def simplify(text: str) -> str:
    """Traditional characters as simplified ones; everything else unchanged."""
    return str(_simplifier().convert(text)) if HAN.search(text) else text


@lru_cache(maxsize=200_000)
def split_han(name: str) -> tuple[str, str]:
    """Family and given name of a name in simplified characters; '' for what it does not tell.

    A name among friends (小娜) keeps its form. What does not look like a Chinese name, such as a
    screen name, tells neither.
    """
    if not ONLY_HAN.fullmatch(name):
        return "", ""
    for size in (4, 2):
        if len(name) - size in range(LONGEST_GIVEN + 1) and name[:size] in COMPOUND_SURNAMES:
            return name[:size], name[size:]
    if name[0] in SURNAMES and len(name) <= 1 + LONGEST_GIVEN:
        return name[0], name[1:]
    if len(name) <= LONGEST_GIVEN or (name[0] in CALLED and len(name) <= 1 + LONGEST_GIVEN):
        return "", name
    return "", ""


@lru_cache(maxsize=200_000)
def read_given(given: str) -> str:
    """Pinyin of a given name without tones or blanks."""
    return read_characters(given)


def drop_call(given: str) -> str:
    """A given name without the 小, 阿 or 老 of friends."""
    return given[1:] if len(given) > 1 and given[0] in CALLED else given


@lru_cache(maxsize=20_000)
def read_family(family: str) -> str:
    """Pinyin of a family name, in the reading it has as one."""
    return READINGS.get(family) or read_characters(family)


def read_characters(text: str) -> str:
    """Pinyin without tones or blanks; characters without a known reading are left out."""
    syllables = lazy_pinyin(text, style=Style.NORMAL, errors="ignore")
    return "".join(fold_pinyin(syllable) for syllable in syllables)


def fold_pinyin(text: str) -> str:
    """One spelling for the ü that people write as v, yu or u."""
    return re.sub(r"(?<=[ln])v|(?<=l)yu", "u", text)


@cache
def _syllables() -> re.Pattern[str]:
    known = {
        fold_pinyin(to_normal(reading))
        for readings in PINYIN_DICT.values()
        for reading in readings.split(",")
    }
    spoken = sorted(s for s in known if re.fullmatch("[a-z]*[aeiou][a-z]*", s))
    return re.compile(rf"(?:{'|'.join(spoken)})+")


@lru_cache(maxsize=200_000)
def is_pinyin(text: str) -> bool:
    """Whether Latin letters can be read as syllables of Mandarin."""
    return _syllables().fullmatch(fold_pinyin(text.replace(" ", ""))) is not None


@cache
def _surnames_in_pinyin() -> frozenset[str]:
    return frozenset(read_family(name) for name in ALL_SURNAMES)


def is_surname_in_pinyin(text: str) -> bool:
    """Whether Latin letters spell a Chinese family name in pinyin."""
    return fold_pinyin(text) in _surnames_in_pinyin()


def is_spelled_surname(spelling: str, pinyin: str) -> bool:
    """Whether a family name is another spelling, such as the Cantonese, of one in pinyin."""
    return pinyin in SPELLINGS.get(spelling, "").split()
