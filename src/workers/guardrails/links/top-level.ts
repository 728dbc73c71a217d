/** Country codes that are delegated (IANA root zone). */
const countries =
  'ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs bt bw by bz ca cc cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg er es et eu fi fj fk fm fo fr ga gb gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo jp ke kg kh ki km kn kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mg mh mk ml mm mn mo mp mq mr ms mt mu mv mw mx my mz na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru rw sa sb sc sd se sg sh si sk sl sm sn so sr ss st su sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt tv tw tz ua ug uk us uy uz va vc ve vg vi vn vu wf ws ye yt za zm zw';

/** The generic ones people meet, and those that abuse reports name most. */
const generic =
  'com net org info biz name pro mobi aero asia cat coop edu gov int jobs mil museum post tel travel xxx arpa app dev page web xyz top site online store shop club vip work live life world today news blog cloud tech digital agency email link click win bid loan men date review trade stream download racing party science cricket faith accountant gdn icu cyou cfd sbs rest bar buzz fun space website host press monster quest beauty hair skin makeup lol mom pics zip mov foo dad phd prof nexus esq new day boo rsvp how ing meme gle goog google amazon aws azure microsoft apple onion support help systems network solutions services company center zone team group global media studio design games game chat social video audio photo photos tube wiki ink one red blue black pink green gold plus ltd llc inc gmbh bank finance money cash credit exchange fund capital market markets trading crypto eth london paris berlin tokyo nyc africa best cheap sale deals tools run codes engineering software computer sexy porn sex adult dating casino bet poker';

const known: ReadonlySet<string> = new Set(`${countries} ${generic}`.split(' '));

/** True for the last label of names that clients turn into links by themselves. */
export const isTopLevel = (label: string): boolean => known.has(label) || label.startsWith('xn--');

/** Top-level domains that are endings of files as well: one name and one dot is read as a file. */
const endings: ReadonlySet<string> = new Set(['md', 'py', 'rs', 'sh', 'pl', 'cc', 'so', 'ps', 'st']);
export const isFileEnding = (label: string): boolean => endings.has(label);

/** Top-level domains that programs name members with: `user.id`, `file.name`. */
const members: ReadonlySet<string> = new Set(
  'id name info is to in my me so it at as by do no be date day app page link next run new group map data host email world web top red blue black pink green gold video audio photo game style tools systems network media space events click win today news team zone support help exchange market markets cash bar ink one plus vote'.split(
    ' ',
  ),
);
export const isMember = (label: string): boolean => members.has(label);
