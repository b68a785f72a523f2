/* libclang LIBRARY HEADER FLAG..: loads the library and lets it read the header, as bindgen will. Says what is wrong. */
#include <dlfcn.h>
#include <stdio.h>

typedef struct {
  const void *data;
  unsigned flags;
} Text;

/* A diagnostic of this severity or above is an error. */
enum { ERROR = 3 };

static void *library;

static void *function(const char *name) {
  void *found = dlsym(library, name);
  if (!found) printf("has no function %s: libclang 9 or newer is needed\n", name);
  return found;
}

int main(int count, char **arguments) {
  if (count < 3) return 2;
  library = dlopen(arguments[1], RTLD_LAZY | RTLD_LOCAL);
  if (!library) {
    printf("cannot be loaded: %s\n", dlerror());
    return 1;
  }
  void *(*create_index)(int, int) = function("clang_createIndex");
  void *(*parse)(void *, const char *, const char *const *, int, void *, unsigned, unsigned) =
      function("clang_parseTranslationUnit");
  unsigned (*diagnostics)(void *) = function("clang_getNumDiagnostics");
  void *(*diagnostic)(void *, unsigned) = function("clang_getDiagnostic");
  int (*severity)(void *) = function("clang_getDiagnosticSeverity");
  Text (*spelling)(void *) = function("clang_getDiagnosticSpelling");
  const char *(*text)(Text) = function("clang_getCString");
  /* Came with version 9. */
  void *newest = function("clang_Cursor_isAnonymousRecordDecl");
  if (!create_index || !parse || !diagnostics || !diagnostic || !severity || !spelling || !text || !newest) return 1;

  void *unit =
      parse(create_index(0, 0), arguments[2], (const char *const *)(arguments + 3), count - 3, NULL, 0, 0);
  if (!unit) {
    printf("cannot read a header\n");
    return 1;
  }
  unsigned number = diagnostics(unit);
  for (unsigned at = 0; at < number; at++) {
    void *found = diagnostic(unit, at);
    if (severity(found) >= ERROR) {
      printf("cannot read the standard headers: %s\n", text(spelling(found)));
      return 1;
    }
  }
  return 0;
}
