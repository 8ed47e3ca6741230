package org.apache.iceberg.rest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Map;
import org.apache.iceberg.Schema;
import org.apache.iceberg.SortOrder;
import org.apache.iceberg.Table;
import org.apache.iceberg.TableProperties;
import org.apache.iceberg.Transaction;
import org.apache.iceberg.catalog.CatalogTests;
import org.apache.iceberg.catalog.Namespace;
import org.apache.iceberg.catalog.TableIdentifier;
import org.apache.iceberg.exceptions.AlreadyExistsException;
import org.apache.iceberg.exceptions.NamespaceNotEmptyException;
import org.apache.iceberg.exceptions.NoSuchNamespaceException;
import org.apache.iceberg.exceptions.NoSuchTableException;
import org.apache.iceberg.exceptions.NoSuchViewException;
import org.apache.iceberg.relocated.com.google.common.collect.ImmutableMap;
import org.apache.iceberg.relocated.com.google.common.collect.ImmutableSet;
import org.apache.iceberg.types.Types;
import org.apache.iceberg.view.View;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The shared catalog tests with all that the compatibility kit leaves out for catalogs that can do
 * less: nested namespaces, slashes and dots in names, unique locations; and tests of our own with
 * names of awkward characters and with variant columns.
 */
public class FullCatalogTests extends CatalogTests<RESTCatalog> {
  private static final Map<String, String> V3 = ImmutableMap.of(TableProperties.FORMAT_VERSION, "3");

  private static RESTCatalog restCatalog;

  @BeforeAll
  static void connect() {
    restCatalog = RCKUtils.initCatalogClient();
    assertThat(restCatalog.listNamespaces()).as("namespaces before; these tests drop all there are").isEmpty();
  }

  @AfterAll
  static void disconnect() throws Exception {
    restCatalog.listNamespaces().forEach(FullCatalogTests::drop);
    restCatalog.close();
  }

  @BeforeEach
  void empty() {
    restCatalog.listNamespaces().forEach(FullCatalogTests::drop);
  }

  private static void drop(Namespace namespace) {
    restCatalog.listNamespaces(namespace).forEach(FullCatalogTests::drop);
    restCatalog.listTables(namespace).forEach(restCatalog::dropTable);
    restCatalog.listViews(namespace).forEach(restCatalog::dropView);
    restCatalog.dropNamespace(namespace);
  }

  @Override
  protected RESTCatalog catalog() {
    return restCatalog;
  }

  @Override
  protected RESTCatalog initCatalog(String name, Map<String, String> properties) {
    return RCKUtils.initCatalogClient(properties);
  }

  @Override
  protected boolean requiresNamespaceCreate() {
    return true;
  }

  @Override
  protected boolean supportsServerSideRetry() {
    return true;
  }

  @Override
  protected boolean supportsNestedNamespaces() {
    return true;
  }

  @Override
  protected boolean supportsNamesWithSlashes() {
    return true;
  }

  @Override
  protected boolean supportsNamesWithDot() {
    return true;
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "a b", " lead", "trail ", "a/b", "/", "a//b", "a.b", "...", "a%b", "a%2Fb", "%25", "a+b", "a&b=c", "a;b",
        "a?b", "a#b", "a:b", "a@b", "a,b", "a\\b", "a'b", "a\"b", "`a`", "a*b", "a|b", "<a>", "{a}", "[a]", "~", "^",
        "a\tb", "größe", "表", "\uD83E\uDDCA", "e\u0301", "\u202Eabc", "A", "namespaces", "tables", "null", "\u00A0",
      })
  void namesOfAwkwardCharacters(String name) {
    Namespace outer = Namespace.of(name);
    Namespace inner = Namespace.of(name, "x" + name, name);
    TableIdentifier table = TableIdentifier.of(inner, name);
    TableIdentifier renamed = TableIdentifier.of(outer, name + name);

    restCatalog.createNamespace(outer);
    restCatalog.createNamespace(Namespace.of(name, "x" + name));
    restCatalog.createNamespace(inner, ImmutableMap.of("key", name));
    assertThat(restCatalog.listNamespaces()).containsExactly(outer);
    assertThat(restCatalog.listNamespaces(Namespace.of(name, "x" + name))).containsExactly(inner);
    assertThat(restCatalog.loadNamespaceMetadata(inner)).containsEntry("key", name);
    assertThat(restCatalog.setProperties(inner, ImmutableMap.of(name, "1"))).isTrue();
    restCatalog.removeProperties(inner, ImmutableSet.of("key"));
    assertThat(restCatalog.loadNamespaceMetadata(inner)).containsEntry(name, "1").doesNotContainKey("key");
    assertThatThrownBy(() -> restCatalog.createNamespace(inner)).isInstanceOf(AlreadyExistsException.class);

    Table created = restCatalog.buildTable(table, SCHEMA).withPartitionSpec(SPEC).create();
    created.newAppend().appendFile(FILE_A).commit();
    assertThat(restCatalog.listTables(inner)).containsExactly(table);
    assertThat(restCatalog.listTables(outer)).isEmpty();
    assertThat(restCatalog.tableExists(table)).isTrue();
    restCatalog.renameTable(table, renamed);
    assertThat(restCatalog.tableExists(table)).isFalse();
    Table loaded = restCatalog.loadTable(renamed);
    assertFiles(loaded, FILE_A);
    loaded.newAppend().appendFile(FILE_B).commit();
    assertFiles(restCatalog.loadTable(renamed), FILE_A, FILE_B);
    assertThatThrownBy(() -> restCatalog.loadTable(table)).isInstanceOf(NoSuchTableException.class);

    restCatalog.dropTable(renamed);
    restCatalog.dropNamespace(inner);
    assertThat(restCatalog.namespaceExists(inner)).isFalse();
    assertThatThrownBy(() -> restCatalog.loadNamespaceMetadata(inner)).isInstanceOf(NoSuchNamespaceException.class);
  }

  @ParameterizedTest
  @ValueSource(strings = {"a b", "a/b", "a.b", "a%2Fb", "a+b", "a?b#c", "a'b\"c", "表 🧊", "a\tb", "views"})
  void viewsOfAwkwardCharacters(String name) {
    Namespace outer = Namespace.of(name);
    Namespace inner = Namespace.of(name, name + name);
    TableIdentifier view = TableIdentifier.of(inner, name);
    TableIdentifier renamed = TableIdentifier.of(outer, name + name);
    String sql = "SELECT '" + name + "' AS x";

    restCatalog.createNamespace(outer);
    restCatalog.createNamespace(inner);
    restCatalog
        .buildView(view)
        .withSchema(SCHEMA)
        .withDefaultCatalog(name)
        .withDefaultNamespace(inner)
        .withQuery("spark", sql)
        .withProperty(name, name)
        .create();
    assertThat(restCatalog.listViews(inner)).containsExactly(view);
    assertThat(restCatalog.listTables(inner)).isEmpty();
    assertThatThrownBy(() -> restCatalog.createTable(view, SCHEMA)).isInstanceOf(AlreadyExistsException.class);
    restCatalog.renameView(view, renamed);
    assertThat(restCatalog.viewExists(view)).isFalse();
    View loaded = restCatalog.loadView(renamed);
    assertThat(loaded.sqlFor("spark").sql()).isEqualTo(sql);
    assertThat(loaded.currentVersion().defaultCatalog()).isEqualTo(name);
    assertThat(loaded.currentVersion().defaultNamespace()).isEqualTo(inner);
    assertThat(loaded.properties()).containsEntry(name, name);
    loaded
        .replaceVersion()
        .withSchema(OTHER_SCHEMA)
        .withDefaultNamespace(outer)
        .withQuery("spark", sql)
        .withQuery("trino", sql)
        .commit();
    assertThat(restCatalog.loadView(renamed).sqlFor("trino").sql()).isEqualTo(sql);
    assertThatThrownBy(() -> restCatalog.dropNamespace(outer)).isInstanceOf(NamespaceNotEmptyException.class);
    assertThat(restCatalog.dropView(renamed)).isTrue();
    assertThatThrownBy(() -> restCatalog.loadView(renamed)).isInstanceOf(NoSuchViewException.class);
  }

  @Test
  void namesThatAreAlmostTheSame() {
    List<String> names = List.of("a", "A", "a ", " a", "a/", "a%", "a%2F", "e\u0301", "\u00e9");
    restCatalog.createNamespace(NS);
    for (String name : names) {
      restCatalog.createNamespace(Namespace.of("ns1" + name));
      restCatalog.createTable(TableIdentifier.of(NS, name), SCHEMA).updateProperties().set("name", name).commit();
    }
    for (String name : names) {
      assertThat(restCatalog.loadTable(TableIdentifier.of(NS, name)).properties()).containsEntry("name", name);
    }
    assertThat(restCatalog.listTables(NS)).hasSize(names.size());
    assertThat(restCatalog.listNamespaces()).hasSize(names.size() + 1);
  }

  @Test
  void nestedNamespacesAreDistinctFromNamesWithSeparators() {
    for (String separator : List.of(".", "/", "::")) {
      Namespace flat = Namespace.of("p" + separator + "q");
      restCatalog.createNamespace(flat);
      assertThat(restCatalog.namespaceExists(Namespace.of("p", "q"))).isFalse();
    }
    restCatalog.createNamespace(Namespace.of("p"));
    restCatalog.createNamespace(Namespace.of("p", "q"));
    assertThat(restCatalog.listNamespaces(Namespace.of("p"))).containsExactly(Namespace.of("p", "q"));
    assertThat(restCatalog.listNamespaces()).hasSize(4);
  }

  private static final Schema WITH_VARIANT =
      new Schema(
          Types.NestedField.required(1, "id", Types.LongType.get()),
          Types.NestedField.optional(2, "v", Types.VariantType.get()),
          Types.NestedField.optional(
              3,
              "deep",
              Types.ListType.ofOptional(
                  4, Types.StructType.of(Types.NestedField.optional(5, "w", Types.VariantType.get())))));

  @Test
  void variantColumns() {
    restCatalog.createNamespace(NS);
    restCatalog.buildTable(TABLE, WITH_VARIANT).withProperties(V3).create();
    Table table = restCatalog.loadTable(TABLE);
    assertThat(table.schema().asStruct()).isEqualTo(WITH_VARIANT.asStruct());
    table.updateSchema().addColumn("more", Types.VariantType.get()).renameColumn("v", "u").commit();
    table = restCatalog.loadTable(TABLE);
    assertThat(table.schema().findType("more")).isEqualTo(Types.VariantType.get());
    assertThat(table.schema().findField(2).name()).isEqualTo("u");
    table.updateSchema().deleteColumn("more").commit();
    assertThat(restCatalog.loadTable(TABLE).schema().findField("more")).isNull();
  }

  @Test
  void variantColumnsInTransactions() {
    restCatalog.createNamespace(NS);
    Transaction create = restCatalog.buildTable(TABLE, WITH_VARIANT).withProperties(V3).createTransaction();
    create.newFastAppend().commit();
    create.commitTransaction();
    Transaction replace =
        restCatalog.buildTable(TABLE, WITH_VARIANT).withProperties(V3).withSortOrder(SortOrder.unsorted())
            .replaceTransaction();
    replace.updateSchema().addColumn("more", Types.VariantType.get()).commit();
    replace.commitTransaction();
    assertThat(restCatalog.loadTable(TABLE).schema().findType("more")).isEqualTo(Types.VariantType.get());
  }

  @ParameterizedTest
  @ValueSource(strings = {"1", "2"})
  void variantColumnsNeedVersion3(String version) {
    Map<String, String> properties = ImmutableMap.of(TableProperties.FORMAT_VERSION, version);
    restCatalog.createNamespace(NS);
    assertThatThrownBy(() -> restCatalog.buildTable(TABLE, WITH_VARIANT).withProperties(properties).create())
        .hasMessageContaining("Invalid type for v: variant is not supported until v3");
    assertThat(restCatalog.tableExists(TABLE)).isFalse();

    Table table = restCatalog.buildTable(TABLE, SCHEMA).withProperties(properties).create();
    assertThatThrownBy(() -> table.updateSchema().addColumn("v", Types.VariantType.get()).commit())
        .hasMessageContaining("variant is not supported until v3");
    Table upgraded = restCatalog.loadTable(TABLE);
    upgraded.updateProperties().set(TableProperties.FORMAT_VERSION, "3").commit();
    upgraded.updateSchema().addColumn("v", Types.VariantType.get()).commit();
    assertThat(restCatalog.loadTable(TABLE).schema().findType("v")).isEqualTo(Types.VariantType.get());
  }
}
