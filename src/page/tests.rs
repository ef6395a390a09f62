use roxmltree::Document as Xml;

use super::*;

const HOSTILE: &str = "<script>alert(\"1\")</script> & 'a' | `b\u{0}` ]]>";

/// Every block and every plot, with `words` in every field that holds text.
fn document_of(words: &str) -> Document {
    let text = || words.to_owned();
    let table = Table {
        caption: text(),
        columns: vec![Column::text(words), Column::number(words)],
        rows: vec![vec![words.into(), text().into()]],
    };
    let card = Card { png: vec![1, 2, 3], width_px: 64, height_px: 32, title: text(), lines: vec![text()] };
    let figures = plots_of(words).into_iter().map(|plot| Figure { caption: text(), plot }).collect();
    let blocks = vec![
        Block::Text(text()),
        Block::List(vec![text()]),
        Block::Verdict { tone: Tone::Bad, text: text() },
        Block::Table(table),
        Block::Figures(figures),
        Block::Gallery(Gallery { caption: text(), cards: vec![card] }),
        Block::Code(text()),
    ];
    let section = Section { title: text(), blocks };
    Document { title: text(), lead: text(), sections: vec![section.clone(), section] }
}

fn plots_of(words: &str) -> Vec<Plot> {
    let text = || words.to_owned();
    let axis = || Axis { label: text(), range: [0.0, 1.0], log: false };
    vec![
        Plot::Forest(Forest {
            rows: vec![ForestRow { label: text(), series: 0, estimate: 0.5, interval: [0.2, 0.7] }],
            series: vec![text()],
            line: Some((0.8, text())),
            axis: text(),
            range: [0.0, 1.0],
        }),
        Plot::Curves(Curves {
            series: vec![Series { name: text(), points: vec![(0.0, 0.0), (1.0, 1.0)], step: true, dashed: true }],
            marks: vec![Mark { x: 0.5, y: 0.5, label: text(), series: 0 }],
            x: axis(),
            y: axis(),
            lines: vec![Reference { at: 0.5, label: text(), vertical: true }],
        }),
        Plot::Histogram(Histogram {
            series: vec![(text(), vec![0.4, 0.6])],
            edges: vec![0.0, 0.5, 1.0],
            x_label: text(),
            lines: vec![(0.5, text())],
            log_x: false,
        }),
        Plot::Reliability(Reliability { bins: vec![(0.5, 0.4, [0.3, 0.5], 9)], title: text() }),
        Plot::Heat(Heat {
            rows: vec![text()],
            columns: vec![text()],
            cells: vec![vec![Some(HeatCell { value: 0.5, text: text(), muted: false })]],
            range: [0.0, 1.0],
            legend: text(),
            row_axis: text(),
            column_axis: text(),
        }),
        Plot::Bars(Bars { categories: vec![text()], series: vec![(text(), vec![3.0])], value_label: text() }),
    ]
}

/// The page as XML.
fn with_xml<T>(html: &str, look: impl FnOnce(&Xml) -> T) -> T {
    let page = html.strip_prefix("<!DOCTYPE html>").unwrap();
    look(&Xml::parse(page).unwrap())
}

fn one_block(block: Block) -> Document {
    let section = Section { title: "Section".into(), blocks: vec![block] };
    Document { title: "Title".into(), lead: String::new(), sections: vec![section] }
}

#[test]
fn a_script_in_any_field_stays_text() {
    let html = document_of(HOSTILE).to_html();
    with_xml(&html, |xml| {
        assert!(xml.descendants().all(|node| !node.has_tag_name("script")));
        let h1 = xml.descendants().find(|node| node.has_tag_name("h1")).unwrap();
        assert_eq!(h1.text(), Some(HOSTILE.replace('\0', "\u{fffd}").as_str()));
        let scripts = xml.descendants().filter(|node| node.is_text() && node.text().unwrap().contains("<script>"));
        assert!(scripts.count() >= 30, "the words have been lost on the way");
    });
    assert!(!document_of(HOSTILE).to_markdown().replace(&format!("```\n{HOSTILE}\n```"), "").contains("<script>"));
}

#[test]
fn every_picture_says_what_it_shows() {
    let html = document_of("a *fine* plot").to_html();
    with_xml(&html, |xml| {
        let plots: Vec<_> = xml.descendants().filter(|node| node.attribute("role") == Some("img")).collect();
        assert_eq!(plots.len(), 12);
        for plot in plots {
            assert_eq!(plot.attribute("aria-label"), Some("a fine plot"));
            assert_eq!(plot.first_element_child().unwrap().text(), Some("a fine plot"));
        }
        let images: Vec<_> = xml.descendants().filter(|node| node.has_tag_name("img")).collect();
        assert_eq!(images.len(), 2);
        assert_eq!(images[0].attribute("alt"), Some("a *fine* plot"));
        // RFC 4648, section 4: the bytes 1, 2, 3.
        assert_eq!(images[0].attribute("src"), Some("data:image/png;base64,AQID"));
    });
}

#[test]
fn nothing_is_asked_of_a_network() {
    let html = document_of("words").to_html();
    assert!(!html.contains("http") && !html.contains("//") && !html.contains("@import"));
    assert_eq!(html.matches("url(").count(), 0);
}

#[test]
fn sections_of_one_title_have_addresses_of_their_own() {
    let titles = ["A & B", "a  b", "a-b", "A b 2", "", "!", "Größe", "a b 2"];
    let sections = titles.map(|title| Section { title: title.into(), blocks: vec![] }).to_vec();
    let html = Document { sections, ..Document::default() }.to_html();
    with_xml(&html, |xml| {
        let ids: Vec<_> = xml.descendants().filter_map(|node| node.attribute("id")).collect();
        assert_eq!(ids, ["a-b", "a-b-2", "a-b-3", "a-b-2-2", "section", "section-2", "größe", "a-b-2-3"]);
        let links = xml.descendants().filter_map(|node| node.attribute("href")?.strip_prefix('#'));
        assert_eq!(links.collect::<Vec<_>>(), ids);
    });
}

#[test]
fn prose_knows_three_marks_and_leaves_the_rest() {
    let html = one_block(Block::Text("**a b** `<x*y>` *i* 2 * 3 * 4 ** c** snake_case *".into())).to_html();
    let expected = "<p><strong>a b</strong> <code>&lt;x*y&gt;</code> <em>i</em> 2 * 3 * 4 ** c** snake_case *</p>";
    assert!(html.contains(expected), "{html}");
}

#[test]
fn a_short_row_is_filled_and_its_first_text_heads_it() {
    let columns = vec![Column::text("group"), Column::number("recall"), Column::text("note")];
    let rows = vec![vec!["winter".into(), Cell::toned("0.7", Tone::Bad)]];
    let html = one_block(Block::Table(Table { caption: "Recall".into(), columns, rows })).to_html();
    let row = r#"<tr><th scope="row">winter</th><td class="number bad">0.7</td><td></td></tr>"#;
    assert!(html.contains(row), "{html}");
    assert!(html.contains(r#"<th scope="col" class="number">recall</th>"#));
}

#[test]
fn a_markdown_table_keeps_its_columns() {
    let columns = vec![Column::text("a|b"), Column::number("n")];
    let rows = vec![vec!["x|y\\z\nw".into(), Cell::toned("0.5", Tone::Bad)], vec!["<b>_c_ d_e</b>".into()]];
    let markdown = one_block(Block::Table(Table { caption: "Sizes".into(), columns, rows })).to_markdown();
    let table = "**Table 1.** Sizes\n\n| a\\|b | n |\n| --- | ---: |\n| x\\|y\\\\z w | **0.5** |\n\
                 | &lt;b>\\_c\\_ d_e&lt;/b> |  |\n";
    assert!(markdown.contains(table), "{markdown}");
}

#[test]
fn a_markdown_paragraph_cannot_become_a_heading_or_a_list() {
    for (text, expected) in
        [("# a", "\\# a"), ("- a", "\\- a"), ("1. a", "1\\. a"), ("0.5 a", "0.5 a"), ("> a", "\\> a")]
    {
        let markdown = one_block(Block::Text(text.into())).to_markdown();
        assert_eq!(markdown, format!("# Title\n\n## Section\n\n{expected}\n"));
    }
}

#[test]
fn a_fence_is_longer_than_any_in_the_code() {
    let markdown = one_block(Block::Code("a\n````\nb\n".into())).to_markdown();
    assert!(markdown.ends_with("\n`````\na\n````\nb\n`````\n"), "{markdown}");
}

#[test]
fn both_outputs_number_tables_and_figures_alike() {
    let document = document_of("words");
    let (html, markdown) = (document.to_html(), document.to_markdown());
    assert!(html.contains("<b>Table 2.</b> words") && html.contains("<b>Figure 12.</b> words"));
    assert!(markdown.contains("**Table 2.** words") && markdown.contains("*Figures 7–12 are in the HTML report.*"));
}
