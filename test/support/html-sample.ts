/** HTML as vendors and pages write it, with what careless readers get wrong; every front door reads it alike. */
export const htmlSample = [
  '<html><head><title>t</title><style>p > b { color: red }</style><body>',
  '<table><tr><th>Item</th><th>Sum</th></tr><tr><td>1</td><td>2</td></tr></table>',
  '<p>I <3 caf&eacute;s, &frac12; price, 5 &euro;, 1 &lt; 2, &copy 2030, &unknown;</p>',
  '<!-- not <b>this</b> --><section>a  <b>b</b>\n c<br>d</section><noscript>nor this</noscript>',
  '<p title="a > b">and <img src="x.png" alt="the &quot;end&quot;"></p><script>if (a<b) x("</p>")</script>',
].join('');

export const htmlSampleText = `Item Sum

1 2

I <3 cafés, ½ price, 5 €, 1 < 2, © 2030, &unknown;

a b c
d

and the "end"`;
